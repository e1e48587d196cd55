/** Connections in the kernel's tracking table: found by their mark, ended one by one. */
import { createSocket } from 'node:dgram'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Door, openDoor } from '../../src/kernel/door.ts'
import { enterNewNetwork, run } from './network.ts'

const mark = { value: 0x2db00000, mask: 0xfff00000 }

let door: Door

beforeAll(async () => {
  enterNewNetwork()
  run(
    'nft',
    `add table inet lab
     add chain inet lab output { type filter hook output priority 0; }
     add rule inet lab output udp dport 5001 ct mark set 0x2db00007
     add rule inet lab output udp dport 5002 ct mark set 0x12300000
     add rule inet lab output udp dport 5003 ct mark set 0x2dc00000`,
  )
  door = await openDoor()
})

afterAll(() => door.close())

/** Sends one datagram over the loopback and gives the port that it was sent from. */
async function send(address: string, port: number): Promise<void> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
  await new Promise<void>((resolve, reject) => {
    socket.send('hello', port, address, (error) => (error ? reject(error) : resolve()))
  })
  socket.close()
}

const seen = async () => (await door.flows(mark)).map(({ handle, ...flow }) => flow)

test('those with our mark are found, whatever the other bits, in both families', async () => {
  await send('127.0.0.1', 5001)
  await send('::1', 5001)
  await send('127.0.0.1', 5002)
  await send('127.0.0.1', 5003)
  await send('127.0.0.1', 5004)
  const flows = (await seen()).sort((a, b) => a.family - b.family)
  const common = {
    protocol: 'udp',
    sourcePort: expect.any(Number),
    port: 5001,
    targetPort: 5001,
    over: false,
    answered: false,
    phase: 0,
    // Of the 30 s that the kernel remembers a datagram.
    left: expect.toSatisfy((left: number) => left > 0 && left <= 30),
  }
  expect(flows).toEqual([
    {
      ...common,
      family: 4,
      source: '127.0.0.1',
      destination: '127.0.0.1',
      target: '127.0.0.1',
      by: '127.0.0.1',
    },
    { ...common, family: 6, source: '::1', destination: '::1', target: '::1', by: '::1' },
  ])
})

test('those without any mark of ours are found when they are asked for', async () => {
  const strangers = await door.flows({ value: 0, mask: mark.mask })
  expect(strangers.filter(({ protocol }) => protocol === 'udp').map(({ port }) => port)).toEqual([5004])
})

test('another mark is put on them, and their other bits stay', async () => {
  const other = { value: 0x4500, mask: 0xff00 }
  await door.remarkFlows({ from: mark, to: other })
  expect(await seen()).toEqual([])
  const marked = await door.flows(other)
  expect(marked.map(({ port }) => port)).toEqual([5001, 5001])
  expect(run('conntrack', '-L', '-p', 'udp', '--dport', '5001')).toMatch(/mark=17671/) // 0x4507
  expect(run('conntrack', '-L', '-p', 'udp', '--dport', '5003')).toMatch(/mark=767557632/) // 0x2dc00000
  await door.remarkFlows({ from: other, to: mark })
  expect(await seen()).toHaveLength(2)
})

test('one is ended and no other; one that is gone is no error', async () => {
  const ending = (await door.flows(mark)).filter(({ family }) => family === 6)
  expect(ending).toHaveLength(1)
  await door.endFlows(ending)
  await door.endFlows(ending)
  expect((await seen()).map(({ family }) => family)).toEqual([4])
})

test('a translated one has the target that answers', async () => {
  run(
    'nft',
    `add chain inet lab nat { type nat hook output priority -100; }
     add rule inet lab nat ip daddr 127.0.0.1 udp dport 5005 ct mark set 0x2db00000 dnat ip to 127.0.0.2:5006`,
  )
  await send('127.0.0.1', 5005)
  const flow = (await seen()).find(({ port }) => port === 5005)
  expect(flow).toMatchObject({ destination: '127.0.0.1', target: '127.0.0.2', targetPort: 5006 })
})

test('a probe from a port by which its source has a connection already would be taken for it', async () => {
  const socket = createSocket('udp4')
  await new Promise<void>((resolve) => socket.bind(50_007, '127.0.0.1', resolve))
  await new Promise<void>((resolve) => socket.send('hello', 5009, '127.0.0.1', () => resolve()))
  const probe = {
    family: 4,
    protocol: 'udp',
    source: '127.0.0.1',
    sourcePort: 50_007,
    destination: '127.0.0.1',
    port: 5009,
    by: 'lo',
    size: null,
  } as const
  expect(await door.isTracked(probe)).toBe(true)
  for (const other of [
    { sourcePort: 50_008 },
    { port: 5010 },
    { protocol: 'tcp' },
    { source: '127.0.0.2' },
  ] as const)
    expect(await door.isTracked({ ...probe, ...other })).toBe(false)
  await door.endProbe(probe)
  expect(await door.isTracked(probe)).toBe(false)
  socket.close()
})
