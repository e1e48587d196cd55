/** While a page of exposures is made that takes its time, the controller goes on answering everybody else. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Drawbridge, startDrawbridge } from '../lab/drawbridge.ts'
import { type Lab, startLab } from '../lab/lab.ts'

let lab: Lab
let drawbridge: Drawbridge

beforeAll(async () => {
  lab = await startLab()
  drawbridge = await startDrawbridge(lab)
})
afterAll(() => lab?.close())

/** Each drops one source at one port, and no two of them can be taken together: every one divides what is left. */
const scattered = (count: number) =>
  Array.from({ length: count }, (_, at) => {
    const source = `10.${at >> 8}.${at & 255}.${(at * 37) & 255}`
    return `ip saddr ${source} tcp dport ${(at * 7919) % 60_000} drop`
  })

test('the status is told in a small part of the time that a judgement takes', {
  timeout: 240_000,
}, async () => {
  const { gateway, server } = lab
  await drawbridge.opens('tcp/8080', server.at(80), { name: 'web' })
  await gateway.nft('table inet hand {\nchain in { type filter hook input priority 0\n}\n}')
  const rules = scattered(5000).map((rule) => `add rule inet hand in ${rule}`)
  // More at once does not fit into the socket of an ordinary user.
  for (let at = 0; at < rules.length; at += 250) await gateway.nft(rules.slice(at, at + 250).join('\n'))
  const began = performance.now()
  let made: number | undefined
  const page = drawbridge.api.exposure().finally(() => {
    made = performance.now() - began
  })
  const waits: number[] = []
  while (made === undefined) {
    const asked = performance.now()
    expect((await drawbridge.api.status(0)).ready).toBe(true)
    waits.push(performance.now() - asked)
  }
  console.info(
    `a page in ${Math.round(made)} ms, ${waits.length} answers, the slowest ${Math.round(Math.max(...waits))} ms`,
  )
  const { exposures, warnings } = await page
  expect(exposures.find(({ name }) => name === 'web')?.state).toBe('open')
  expect(warnings).toEqual([expect.stringMatching(/^this machine has more rules than were followed/)])
  // In one thread the first answer would come with the page, and no other before it. The agent tells the status as well, and
  // reads the rules first.
  expect(waits.length).toBeGreaterThan(5)
  expect(Math.max(...waits)).toBeLessThan(made * 0.8)
})
