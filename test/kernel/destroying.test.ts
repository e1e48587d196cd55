/** Connections of services of this machine: ended one by one, by their four ends, and never the service. */
import { connect, createServer, type Server, type Socket } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Door, openDoor } from '../../src/kernel/door.ts'
import { enterNewNetwork, run } from './network.ts'

const mark = { value: 0x2db00000, mask: 0xfff00000 }
let door: Door
let server: Server

beforeAll(async () => {
  enterNewNetwork()
  run(
    'nft',
    `add table inet lab
     add chain inet lab output { type filter hook output priority 0; }
     add rule inet lab output tcp dport 5001 ct mark set 0x2db00000`,
  )
  door = await openDoor()
  // On ::, which takes IPv4 too.
  server = createServer((socket) => socket.on('error', () => {}).pipe(socket))
  await new Promise<void>((resolve) => server.listen(5001, '::', resolve))
})
afterAll(async () => {
  server.close()
  await door.close()
})

const connected = (host: string) =>
  new Promise<Socket>((resolve, reject) => {
    const socket = connect({ host, port: 5001 }, () => resolve(socket))
    socket.once('error', reject)
  })
const echoes = (socket: Socket) =>
  new Promise<string>((resolve) => {
    socket.once('data', (bytes) => resolve(bytes.toString()))
    socket.once('error', (error) => resolve(error.message))
    socket.once('close', () => resolve('closed'))
    socket.write('hello')
  })

test.for(['127.0.0.1', '::1'])(
  'to %s: the one that is named is reset, another of the same client goes on, and the service takes new ones',
  async (host) => {
    const [ended, other] = [await connected(host), await connected(host)]
    expect([await echoes(ended), await echoes(other)]).toEqual(['hello', 'hello'])
    const flow = (await door.flows(mark)).filter(({ sourcePort }) => sourcePort === ended.localPort)
    expect(flow).toHaveLength(1)
    const reset = new Promise((resolve) => ended.once('error', ({ message }) => resolve(message)))
    await door.endFlows(flow)
    expect(await reset).toMatch(/ECONNRESET|ECONNABORTED/)
    expect(await echoes(other)).toBe('hello')
    // What is gone is no error, and does not stand for the service.
    await door.endFlows(flow)
    const fresh = await connected(host)
    expect(await echoes(fresh)).toBe('hello')
    for (const socket of [other, fresh]) socket.destroy()
  },
)

test('by the tracking table alone it would go on', async () => {
  const socket = await connected('127.0.0.1')
  run('conntrack', '-D', '-p', 'tcp', '--dport', '5001')
  expect(await echoes(socket)).toBe('hello')
  socket.destroy()
})
