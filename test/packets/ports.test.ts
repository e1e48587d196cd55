/** Ports: each one of the opening reaches exactly the one it should. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Drawbridge, startDrawbridge } from '../lab/drawbridge.ts'
import type { Protocol } from '../lab/inside/protocol.ts'
import { type Lab, startLab } from '../lab/lab.ts'

let lab: Lab
let drawbridge: Drawbridge

beforeAll(async () => {
  lab = await startLab()
  drawbridge = await startDrawbridge(lab)
})
afterAll(() => lab?.close())

/** Asks every port and gives those that were answered by another port than `expected` says. */
async function strays(ports: readonly number[], expected: (port: number) => number, protocol: Protocol) {
  const answers = await Promise.all(
    ports.map(async (port) => ({
      port,
      by: (await lab.client.asks(lab.gateway.outside, port, { protocol })).port,
    })),
  )
  return answers.filter(({ port, by }) => by !== expected(port))
}

const portsFrom = (first: number, last: number) =>
  Array.from({ length: last - first + 1 }, (_, i) => first + i)

test('a list: each port to itself', async () => {
  await lab.server.answers('tcp', '3000-3010')
  await drawbridge.opens('tcp/3000,3003,3010', lab.server.ip)
  expect(await strays([3000, 3003, 3010], (port) => port, 'tcp')).toEqual([])
  await expect(lab.client.asks(lab.gateway.outside, 3001)).rejects.toThrow(/refused/)
})

test.for(['tcp', 'udp'] as const)(
  '%s: a range to an offset range, port by port, over the whole range',
  async (protocol) => {
    await lab.server.answers(protocol, '10000-10101')
    await drawbridge.opens(`${protocol}/20000-20100`, lab.server.at(10000))
    const all = portsFrom(20000, 20100)
    expect(await strays(all, (port) => port - 10000, protocol)).toEqual([])
    expect(all).toHaveLength(101)
    await expect(lab.client.asks(lab.gateway.outside, 20101, { protocol, timeout: 500 })).rejects.toThrow(
      /refused/,
    )
  },
)

test('a range to the same range', async () => {
  await lab.server.answers('udp', '4000-4020')
  await drawbridge.opens('udp/4000-4020', lab.server.ip)
  expect(await strays(portsFrom(4000, 4020), (port) => port, 'udp')).toEqual([])
})

test('many to one, from a range and from a list', async () => {
  await lab.server.answers('tcp', 5000)
  await drawbridge.opens('tcp/5100-5110', lab.server.at('=5000'))
  await drawbridge.opens('tcp/5201,5203', lab.server.at(5000))
  expect(await strays([...portsFrom(5100, 5110), 5201, 5203], () => 5000, 'tcp')).toEqual([])
})

test('64,512 ports in one forward, asked at both ends and in between', async () => {
  const { other, gateway, client } = lab
  const some = [1024, 1025, 9999, 32768, 40001, 65534, 65535]
  for (const port of some) await other.answers('udp', port)
  const { generation } = await drawbridge
    .opens(`udp/1024-65535@${gateway.second}`, other.ip, { name: 'all' })
    .catch(async () => {
      for (const name of ['udp-20000-20100', 'udp-4000-4020']) await drawbridge.closes(name)
      return drawbridge.opens(`udp/1024-65535@${gateway.second}`, other.ip, { name: 'all' })
    })
  expect(generation).toBeGreaterThan(0)
  for (const port of some) {
    const answer = await client.asks(gateway.second, port, { protocol: 'udp' })
    expect([answer.identity, answer.port]).toEqual(['other', port])
  }
})
