/**
 * Changes of a forward through a proxy while clients come, and others are held: nobody is refused, nobody is cut off. As many
 * clients come as four of them can, one after the other; the rate that this machine makes is printed.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ForwardDocument } from '../../src/model/document.ts'
import { amount } from '../amount.ts'
import { type Drawbridge, startDrawbridge } from '../lab/drawbridge.ts'
import { type Lab, startLab } from '../lab/lab.ts'

let lab: Lab
let drawbridge: Drawbridge

const changes = amount(14, 100)
const holders = amount(20, 50)

beforeAll(async () => {
  lab = await startLab()
  drawbridge = await startDrawbridge(lab)
  await lab.server.answers('tcp', '80-83')
  await lab.other.answers('tcp', '80-83')
})
afterAll(() => lab?.close())

/** Of servers, of weights, of who drains; of the whole configuration where `also` comes and goes, or the way to choose. */
function wanted(via: 'haproxy' | 'nginx', listen: string, step: number): ForwardDocument[] {
  const { server, other } = lab
  const targets = [80, 81, 82, 83].flatMap((port) => [server.at(port), other.at(port)])
  const some = targets.slice(0, 2 + (step % 4)).map((target, index) => {
    const [host = '', port = ''] = target.split(':')
    return { host, port, weight: 1 + ((step + index) % 5), drain: index === step % 3 }
  })
  const balance = step % 14 < 12 ? 'least-connections' : 'random'
  const also = { name: `also-${via}`, listen: 'tcp/9000', to: server.at(80), via, enabled: step % 7 < 5 }
  return [{ name: `loaded-${via}`, listen, via, balance, to: some }, also]
}

test.each([
  ['haproxy', 8000],
  ['nginx', 8001],
] as const)('%s', { timeout: 400_000 }, async (via, port) => {
  const { client, gateway } = lab
  const apply = (step: number) =>
    drawbridge.api.apply({ gateway: { version: 1, forwards: wanted(via, `tcp/${port}`, step) }, prune: true })
  await apply(0)
  const held = []
  for (let count = 0; count < holders; count += 1)
    held.push(await client.holds(count % 2 ? gateway.outside6 : gateway.outside, port, { every: 200 }))
  const load = await client.loads(gateway.outside, port, { every: 0 })
  const began = performance.now()
  for (let step = 1; step <= changes; step += 1) await apply(step)
  const seconds = (performance.now() - began) / 1000
  const { asked, failures, longest } = await load.end()
  const ends = await Promise.all(held.map(async (one) => (await one.end()).end))
  console.log(
    `${via}: ${changes} changes in ${seconds.toFixed(1)} s, ${Math.round(asked / seconds)} new connections a second, ${failures.length} of ${asked} failed, the slowest took ${longest} ms; ${ends.filter((end) => end !== 'held').length} of ${holders} held ones broke`,
  )
  expect(failures).toEqual([])
  expect(ends.filter((end) => end !== 'held')).toEqual([])
  const { stdout } = await drawbridge.cli(['status'])
  expect(stdout).not.toMatch(/does not serve|ended by itself/)
})
