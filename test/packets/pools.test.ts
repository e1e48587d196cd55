/** Several targets of one forward: who gets which connections, and what changes move. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type Drawbridge, startDrawbridge } from '../lab/drawbridge.ts'
import { type Lab, startLab } from '../lab/lab.ts'

let lab: Lab
let drawbridge: Drawbridge
let port = 8000

beforeAll(async () => {
  lab = await startLab()
  drawbridge = await startDrawbridge(lab)
  for (const machine of [lab.server, lab.other]) {
    await machine.answers('tcp', '81-84')
    await machine.answers('udp', '81-84')
    await machine.answers('tcp', '9000-9010')
  }
})
afterAll(() => lab?.close())
beforeEach(() => {
  port += 10
})

type To =
  | string
  | { readonly host: string; readonly port: number; readonly weight?: number; readonly drain?: boolean }

async function opens(to: readonly To[], wishes: object = {}, listen = `tcp/${port}`): Promise<void> {
  await drawbridge.api.apply({
    gateway: { version: 1, forwards: [{ name: 'pool', listen, to: [...to], ...wishes }] },
  })
}

/** By how many of so many connections each server was reached: `server 81`. */
async function asked(times: number, address = lab.gateway.outside, at = port): Promise<Map<string, number>> {
  const counts = new Map<string, number>()
  for (let i = 0; i < times; i += 1) {
    const { identity: name, port: served } = await lab.client.asks(address, at)
    const who = `${name} ${served}`
    counts.set(who, (counts.get(who) ?? 0) + 1)
  }
  return counts
}

test('one of each family serves its family; several share new connections, in proportion to their weights', async () => {
  const { server, other, gateway } = lab
  await opens([{ host: server.ip, port: 81, weight: 3 }, other.at(82), server.at6(83)])
  const counts = await asked(200)
  expect([...counts.keys()].sort()).toEqual(['other 82', 'server 81'])
  // Binomial with p = 3/4 and n = 200: 120 to 180 is five standard deviations to either side.
  expect(counts.get('server 81')).toBeGreaterThan(120)
  expect(counts.get('server 81')).toBeLessThan(180)
  expect([...(await asked(5, gateway.outside6)).keys()]).toEqual(['server 83'])
})

test('in turn goes from one to the next, the heavier ones as often as they should', async () => {
  const { server, other } = lab
  await opens([server.at(81), { host: other.ip, port: 82, weight: 2 }, server.at(83)], {
    balance: 'round-robin',
  })
  expect(Object.fromEntries(await asked(12))).toEqual({ 'server 81': 3, 'other 82': 6, 'server 83': 3 })
})

test('by client address each client stays with one, also when another one leaves and returns', async () => {
  const { server, other, client, gateway } = lab
  const clients = client.addresses.filter((one) => !one.includes(':'))
  const six = client.addresses.filter((one) => one.includes(':'))
  const all = [server.at(81), other.at(82), server.at(83), other.at(84), server.at6(81), other.at6(82)]
  await opens(all, { balance: 'source' })
  const served = async (from: string) => {
    const address = from.includes(':') ? gateway.outside6 : gateway.outside
    const answers = await Promise.all([1, 2, 3, 4].map(() => client.asks(address, port, { from })))
    const who = new Set(answers.map(({ identity, port: at }) => `${identity} ${at}`))
    expect(who.size).toBe(1)
    return [...who].join()
  }
  const before = new Map<string, string>()
  for (const from of [...clients, ...six]) before.set(from, await served(from))
  const [leaver] = [before.get(clients[0] ?? '') ?? '']
  const [machine = '', at = ''] = leaver.split(' ')
  const host = machine === 'server' ? server.ip : other.ip
  const rest = all.filter((one) => one !== `${host}:${at}`)
  await opens([...rest, { host, port: Number(at), drain: true }], { balance: 'source' })
  for (const [from, who] of before) {
    if (who === leaver) expect(await served(from)).not.toBe(leaver)
    else expect(await served(from)).toBe(who)
  }
  await opens(all, { balance: 'source' })
  for (const [from, who] of before) expect(await served(from)).toBe(who)
})

test('a target that drains keeps its connections and gets no new one; its datagrams move', async () => {
  const { server, other, client, gateway } = lab
  const listen = `tcp+udp/${port}`
  await opens([server.at(81)], {}, listen)
  const held = await client.holds(gateway.outside, port)
  const sending = await client.holds(gateway.outside, port, { protocol: 'udp' })
  expect(held.answer).toMatchObject({ identity: 'server', port: 81 })
  await opens([{ host: server.ip, port: 81, drain: true }, other.at(82)], {}, listen)
  expect([...(await asked(20)).keys()]).toEqual(['other 82'])
  await expect.poll(async () => (await sending.look()).identities).toContain('other')
  expect((await held.look()).end).toBe('held')
  const shown = await drawbridge.api.forward('pool')
  expect(shown.endpoints).toMatchObject([
    { at: '10.0.0.5:81', state: 'draining' },
    { at: '10.0.0.6:82', state: 'up' },
  ])
  expect(await held.end()).toMatchObject({ inOrder: true })
  await sending.end()
})

test('when no target takes connections they are refused at once, in both families and both protocols', async () => {
  const { server, client, gateway } = lab
  const listen = `tcp+udp/${port}`
  await opens([server.at(81), server.at6(81)], {}, listen)
  for (const address of [gateway.outside, gateway.outside6]) {
    expect((await client.asks(address, port)).port).toBe(81)
    expect((await client.asks(address, port, { protocol: 'udp' })).port).toBe(81)
  }
  const draining = [server.ip, server.ip6].map((host) => ({ host, port: 81, drain: true }))
  await opens(draining, {}, listen)
  for (const address of [gateway.outside, gateway.outside6]) {
    await expect(client.asks(address, port)).rejects.toThrow(/refused/)
    await expect(client.asks(address, port, { protocol: 'udp', fromPort: 7000 })).rejects.toThrow(/refused/)
    await expect(gateway.asks(address, port)).rejects.toThrow(/refused/)
  }
})

test('ranges and offsets map port by port to each target', async () => {
  const { server, other, client, gateway } = lab
  await opens([server.at(9000), other.at(9001)], { balance: 'round-robin' }, 'tcp/20000-20003')
  for (const at of [20000, 20003]) {
    const answers = [await client.asks(gateway.outside, at), await client.asks(gateway.outside, at)]
    const offset = at - 20000
    expect(answers.map(({ identity, port: served }) => `${identity} ${served}`).sort()).toEqual([
      `other ${9001 + offset}`,
      `server ${9000 + offset}`,
    ])
  }
})

test('a target that is taken out keeps its TCP connections, and what is told of each adds up', async () => {
  const { server, other, client, gateway } = lab
  await opens([server.at(81)])
  const held = await client.holds(gateway.outside, port)
  await opens([other.at(82), other.at(83)])
  await asked(10)
  const { endpoints = [], connections } = await drawbridge.api.forward('pool')
  expect(endpoints.map(({ at }) => at)).toEqual(['10.0.0.6:82', '10.0.0.6:83'])
  expect(endpoints.reduce((sum, one) => sum + one.connections, 0)).toBe(10)
  expect(connections).toBe(10)
  expect((await held.end()).inOrder).toBe(true)
})

/** Sends one datagram from each of so many ports of its own, and does not wait for answers. */
const spray = `
const { createSocket } = require('node:dgram')
const [address, port, count, ...from] = process.argv.slice(1)
const one = (i) => new Promise((done, fail) => {
  const socket = createSocket('udp4')
  socket.once('error', fail)
  socket.bind({ address: from[i % from.length], port: 2000 + Math.floor(i / from.length) }, () => socket.send('x', Number(port), address, () => socket.close(done)))
})
const lane = async (at) => { for (let i = at; i < Number(count); i += 50) await one(i) }
Promise.all(Array.from({ length: 50 }, (_, at) => lane(at)))`

/** The share that is expected by chance to be as far from the weights as this; Wilson and Hilferty's approximation. */
function chance(counts: readonly number[], weights: readonly number[]): number {
  const [n, total] = [counts, weights].map((some) => some.reduce((sum, one) => sum + one, 0)) as [
    number,
    number,
  ]
  const expected = weights.map((weight) => (n * weight) / total)
  const chi = counts.reduce(
    (sum, count, at) => sum + (count - (expected[at] ?? 0)) ** 2 / (expected[at] ?? 1),
    0,
  )
  const freedom = counts.length - 1
  const spread = 2 / (9 * freedom)
  return upperTail((Math.cbrt(chi / freedom) - (1 - spread)) / Math.sqrt(spread))
}

/** Of the normal distribution (Abramowitz and Stegun 26.2.17). */
function upperTail(z: number): number {
  if (z < 0) return 1 - upperTail(-z)
  const t = 1 / (1 + 0.2316419 * z)
  const poly =
    t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))))
  return (Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI)) * poly
}

test('over many connections the shares are the weights, as far as chance allows', async () => {
  const { server, other, client, gateway } = lab
  const count = 100_000
  const weights = [5, 3, 2, 1]
  const to = [server.ip, server.ip, other.ip, other.ip].map((host, at) => ({
    host,
    port: 81 + at,
    weight: weights[at] ?? 1,
  }))
  await opens(to, {}, `udp/${port}`)
  const from = client.addresses.filter((one) => !one.includes(':'))
  await client.run(process.execPath, ['-e', spray, gateway.outside, String(port), String(count), ...from])
  const { endpoints = [] } = await drawbridge.api.forward('pool')
  const counts = endpoints.map(({ connections }) => connections)
  const p = chance(counts, weights)
  console.log(
    `${count} connections by weights ${weights.join(':')}: ${counts.join(', ')}, p = ${p.toFixed(3)}`,
  )
  expect(counts.reduce((sum, one) => sum + one, 0)).toBeGreaterThan(count * 0.95)
  // One run in a million fails by chance.
  expect(p).toBeGreaterThan(1e-6)
})
