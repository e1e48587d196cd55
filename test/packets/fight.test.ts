/** What cannot be healed: it is said, it costs little, and it is over when the other program lets go. */
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { type Drawbridge, startDrawbridge } from '../lab/drawbridge.ts'
import { type Lab, startLab } from '../lab/lab.ts'

/** Nanoseconds on a processor, of all threads of the agent. */
function spent(drawbridge: Drawbridge): number {
  const threads = `/proc/${drawbridge.pid('agent')}/task`
  const times = readdirSync(threads).map((thread) => readFileSync(`${threads}/${thread}/schedstat`, 'utf8'))
  return times.reduce((sum, text) => sum + Number(text.split(' ')[0]), 0)
}

const answers = ({ client, gateway }: Lab) =>
  client.asks(gateway.outside, 8000, { timeout: 500 }).then(
    () => true,
    () => false,
  )

async function start(t: Parameters<typeof startLab>[0]) {
  const lab = await startLab(t)
  const drawbridge = await startDrawbridge(lab)
  await lab.server.answers('tcp', 80)
  await drawbridge.opens('tcp/8000', lab.server.at(80))
  expect(await answers(lab)).toBe(true)
  return { lab, drawbridge }
}

const codeOf = async (drawbridge: Drawbridge) => (await drawbridge.api.status(0)).problem?.code ?? null

/** Deletes our table again and again, with a pause in between. */
const fight = ({ gateway }: Lab, pause: string) =>
  gateway.spawn('timeout', [
    ...['60', 'sh', '-c', `while :; do nft delete table inet drawbridge 2>&- || :; ${pause}; done`],
  ])

test('a program that deletes our table again and again', { timeout: 120_000 }, async (t) => {
  const { lab, drawbridge } = await start(t)
  const fighter = fight(lab, 'sleep 0.05')
  await expect.poll(() => codeOf(drawbridge), { timeout: 30_000 }).toBe('fought-over')
  const { stdout } = await drawbridge.cli(['status', '-o', 'json'])
  expect(JSON.parse(stdout)).toMatchObject({
    repairs: { fighting: true, last: { by: 'nft' } },
    problem: { code: 'fought-over', remedy: expect.stringMatching(/Stop that program/) },
  })

  const before = spent(drawbridge)
  await sleep(6000)
  const share = (spent(drawbridge) - before) / 6e9
  process.stdout.write(
    `against a loop that deletes every 50 ms, the agent takes ${(share * 100).toFixed(1)} % of a core\n`,
  )
  expect(share).toBeLessThan(0.25)

  await fighter.end()
  await expect.poll(() => answers(lab), { timeout: 12_000 }).toBe(true)
  await expect.poll(() => codeOf(drawbridge), { timeout: 40_000, interval: 500 }).toBeNull()
  await lab.gateway.run('nft', ['flush', 'ruleset'])
  await expect.poll(() => answers(lab), { timeout: 2000, interval: 20 }).toBe(true)
})

test('one that does so while it is being repaired is a fight too, and no refusal', {
  timeout: 90_000,
}, async (t) => {
  const { lab, drawbridge } = await start(t)
  const fighter = fight(lab, ':')
  await expect.poll(() => codeOf(drawbridge), { timeout: 30_000 }).toBe('fought-over')
  expect((await drawbridge.api.status(0)).repairs).toMatchObject({ fighting: true, last: { by: 'nft' } })
  await fighter.end()
  await expect.poll(() => answers(lab), { timeout: 20_000 }).toBe(true)
})

test('a program that owns a table of our name, which nobody else may touch then', {
  timeout: 60_000,
}, async (t) => {
  const { lab, drawbridge } = await start(t)
  const own = 'delete table inet drawbridge; add table inet drawbridge { flags owner; }'
  const held = lab.gateway.spawn('sh', ['-c', `{ echo '${own}'; sleep 8; } | nft -i`])
  await expect.poll(() => codeOf(drawbridge), { timeout: 5000 }).toBe('repair-refused')
  const { code, stderr } = await drawbridge.cli(['status'])
  expect([code, stderr]).toEqual([
    1,
    expect.stringMatching(/cannot be repaired: .*not permitted[\s\S]*sudo nft/),
  ])
  expect(await answers(lab)).toBe(false)
  const before = spent(drawbridge)
  await sleep(4000)
  const share = (spent(drawbridge) - before) / 4e9
  process.stdout.write(`refused by the kernel, the agent takes ${(share * 100).toFixed(1)} % of a core\n`)
  expect(share).toBeLessThan(0.25)
  await held.ended
  await expect.poll(() => answers(lab), { timeout: 12_000 }).toBe(true)
  await expect.poll(() => codeOf(drawbridge), { timeout: 5000 }).toBeNull()
  expect((await drawbridge.api.status(0)).ready).toBe(true)
})
