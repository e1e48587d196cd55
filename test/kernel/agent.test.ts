/** The agent on the real kernel, and the one without a kernel that other tests use: one protocol. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { Agent } from '../../src/agent/agent.ts'
import type { AgentClient } from '../../src/agent/client.ts'
import { type Door, openDoor } from '../../src/kernel/door.ts'
import { memoryAgent, putOf } from '../reconcile/agent.ts'
import { machineOf } from './machine.ts'
import { enterNewNetwork, run } from './network.ts'

const web = 'tcp/8443 -> 10.0.0.5:443'
const dns = 'udp/5353 -> 10.0.0.5:53'
const directory = mkdtempSync(join(tmpdir(), 'drawbridge-agent-'))
let door: Door

beforeAll(async () => {
  enterNewNetwork()
  door = await openDoor()
})

afterAll(async () => {
  await door.close()
  rmSync(directory, { recursive: true })
})

type Ask = Pick<AgentClient, 'ask'>

/** An agent as if its process had just been started on this kernel. */
function realAgent(): Ask {
  const agent = new Agent(machineOf(door, directory))
  return { ask: async (message) => (await agent.answer(message)) as never }
}

const numbersOf = async (agent: Ask) =>
  (await agent.ask({ verb: 'counts', numbers: null })).map(({ number }) => number).sort()

const holds = async (agent: Ask) => (await agent.ask({ verb: 'facts' })).holds

describe.each([
  ['on the kernel', realAgent],
  ['without a kernel', memoryAgent],
])('an agent %s', (_, start: () => Ask) => {
  let agent: Ask

  beforeEach(async () => {
    agent = start()
    await agent.ask({ verb: 'clear' })
  })

  test('knows nothing at first, and wants everything', async () => {
    expect(await holds(agent)).toBeNull()
    expect(await agent.ask(putOf(3, 2, { 1: web }))).toEqual({ outcome: 'whole-wanted', ended: 0 })
    expect(await holds(agent)).toBeNull()
  })

  test('takes a whole gateway, and then what changes', async () => {
    expect(await agent.ask(putOf(7, null, { 1: web }))).toMatchObject({ outcome: 'written' })
    expect(await agent.ask(putOf(8, 7, { 2: dns }))).toMatchObject({ outcome: 'written' })
    expect(await numbersOf(agent)).toEqual([1, 2])
    expect(await agent.ask(putOf(9, 8, {}, ['tcp-8443']))).toMatchObject({ outcome: 'written' })
    expect(await numbersOf(agent)).toEqual([2])
    expect(await holds(agent)).toBe(9)
  })

  test('takes nothing that changes another generation than it holds', async () => {
    await agent.ask(putOf(7, null, { 1: web }))
    expect(await agent.ask(putOf(9, 8, { 2: dns }))).toMatchObject({ outcome: 'whole-wanted' })
    expect(await numbersOf(agent)).toEqual([1])
    expect(await holds(agent)).toBe(7)
  })

  test('the whole replaces whatever there was, and twice is harmless', async () => {
    await agent.ask(putOf(1, null, { 1: web }))
    await agent.ask(putOf(2, null, { 2: dns }))
    expect(await numbersOf(agent)).toEqual([2])
    expect(await agent.ask(putOf(2, null, { 2: dns }))).toEqual({ outcome: 'already-so', ended: 0 })
  })

  test('counts those that it is asked about', async () => {
    await agent.ask(putOf(1, null, { 1: web, 2: dns }))
    expect(await agent.ask({ verb: 'counts', numbers: [2, 9] })).toEqual([
      { number: 2, connections: 0, refused: 0, limited: 0 },
    ])
  })

  test('checks each value itself, and holds what it held', async () => {
    await agent.ask(putOf(1, null, { 1: web }))
    const wrong = {
      ...putOf(2, 1, {}),
      forwards: [{ number: 2, forward: { listen: 'tcp/80; drop', to: '10.0.0.5' } }],
    }
    await expect(agent.ask(wrong)).rejects.toMatchObject({ name: 'Problem', code: 'bad-ports' })
    expect(await holds(agent)).toBe(1)
    expect(await agent.ask(putOf(2, 1, { 2: dns }))).toMatchObject({ outcome: 'written' })
  })

  test('cleared, holds nothing', async () => {
    await agent.ask(putOf(1, null, { 1: web }))
    await agent.ask({ verb: 'clear' })
    expect(await numbersOf(agent)).toEqual([])
    expect(await holds(agent)).toBeNull()
  })
})

describe('on the kernel', () => {
  const flush = () => run('nft', 'delete table inet drawbridge')

  beforeEach(async () => void (await realAgent().ask({ verb: 'clear' })))

  test('one started anew finds everything as it was, and writes nothing', async () => {
    await realAgent().ask(putOf(1, null, { 1: web }))
    expect(await realAgent().ask(putOf(1, null, { 1: web }))).toEqual({ outcome: 'already-so', ended: 0 })
  })

  test('elements by hand, strange or missing, are mended by the whole', async () => {
    const agent = realAgent()
    await agent.ask(putOf(1, null, { 1: web }))
    run('nft', 'add element inet drawbridge openings { ipv4 . tcp . 22 : 0:1 }')
    run('nft', 'delete element inet drawbridge targets4 { 0:1 . tcp . 8443 }')
    expect(await agent.ask(putOf(1, null, { 1: web }))).toMatchObject({ outcome: 'written' })
    expect(await door.read(['openings', 'targets4'])).toEqual(
      new Map([
        ['openings', new Map([['ipv4 . tcp . 8443', '0:1']])],
        ['targets4', new Map([['0:1 . tcp . 8443', '10.0.0.5 . 443']])],
      ]),
    )
  })

  test.each([
    ['the whole table', flush],
    ['the rules of a chain', () => run('nft', 'flush chain inet drawbridge ports')],
  ])('%s, taken away by hand, is there again after a whole gateway', async (_, takeAway) => {
    const agent = realAgent()
    await agent.ask(putOf(1, null, { 1: web }))
    const before = await door.fingerprint()
    takeAway()
    expect(await agent.ask(putOf(1, null, { 1: web }))).toMatchObject({ outcome: 'written' })
    expect(await door.fingerprint()).toBe(before)
    expect(await numbersOf(agent)).toEqual([1])
  })

  test('a change that the kernel cannot take is told, and the whole after it mends', async () => {
    const agent = realAgent()
    await agent.ask(putOf(1, null, { 1: web }))
    flush()
    await expect(agent.ask(putOf(2, 1, { 2: dns }))).rejects.toMatchObject({ code: 'kernel-differs' })
    expect(await holds(agent)).toBeNull()
    expect(await agent.ask(putOf(2, null, { 1: web, 2: dns }))).toMatchObject({ outcome: 'written' })
  })

  test('a table of another version under our name is made anew', async () => {
    run('nft', 'add table inet drawbridge; add set inet drawbridge openings { type ipv4_addr; }')
    expect(await realAgent().ask(putOf(1, null, { 1: web }))).toMatchObject({ outcome: 'written' })
    expect(await door.read(['openings'])).toEqual(
      new Map([['openings', new Map([['ipv4 . tcp . 8443', '0:1']])]]),
    )
  })

  test('sets come with the first forward that needs them and go with the last', async () => {
    const agent = realAgent()
    const named = async () =>
      (await door.setNames()).filter((name) => /^(allowed|rate|open_)/.test(name)).sort()
    const limited = {
      name: 'a',
      listen: 'tcp/8000',
      to: '10.0.0.5',
      from: ['10.0.0.0/8'],
      limits: { new_per_source: '3/s' },
    }
    await agent.ask(putOf(1, null, { 1: web }))
    await agent.ask({ ...putOf(2, 1, {}), forwards: [{ number: 2, forward: limited }] })
    expect(await named()).toEqual(['allowed4_8', 'rate_3_second', 'rate_3_second_by4', 'rate_3_second_by6'])
    const { limits, ...open } = limited
    await agent.ask({
      ...putOf(3, 2, {}),
      forwards: [{ number: 2, forward: { ...open, from: ['10.0.0.1'] } }],
    })
    expect(await named()).toEqual(['allowed4_32'])
    await agent.ask(putOf(4, 3, {}, ['a']))
    expect(await named()).toEqual([])
  })

  test('a list that changes changes the forwards that name it', async () => {
    const agent = realAgent()
    const listed = [{ number: 1, forward: { listen: 'tcp/8443', to: '10.0.0.5', from: ['office'] } }]
    await agent.ask({
      ...putOf(1, null, {}),
      lists: [{ name: 'office', entries: ['10.0.0.1'] }],
      forwards: listed,
    })
    await agent.ask({ ...putOf(2, 1, {}), lists: [{ name: 'office', entries: ['10.0.0.2', '10.1.0.0/16'] }] })
    expect(await door.read(['allowed4_32', 'allowed4_16'])).toEqual(
      new Map([
        ['allowed4_32', new Map([['0:1 . 10.0.0.2', '']])],
        ['allowed4_16', new Map([['0:1 . 10.1.0.0', '']])],
      ]),
    )
  })
})

describe('what is found out about targets', () => {
  const down = (endpoint: string) => ({ down: new Map([['web', new Set([endpoint])]]) })
  const warming = { ...down('10.0.0.5:80'), warming: new Map([['web', new Map([['10.0.0.6:80', 1]])]]) }

  test.each([
    ['TCP that drains: nothing ends', 'tcp/80', 'drain', [], []],
    ['TCP that is cut', 'tcp/80', 'cut', ['connections'], []],
    ['datagrams, which have no end', 'udp/80', 'drain', ['connections'], []],
    ['datagrams that are kept', 'udp/80', 'keep', [], []],
  ] as const)('has connections read where they may end: %s', async (_, listen, change, fallen, warmed) => {
    const read: string[] = []
    const through: Door = {
      ...door,
      flows: (mark) => {
        read.push(mark.value === 0 ? 'all others' : 'connections')
        return door.flows(mark)
      },
    }
    const agent = new Agent(machineOf(through, directory))
    await agent.answer({ verb: 'clear' })
    const to = ['10.0.0.5', '10.0.0.6', '10.0.0.7'].map((host) => ({ host, port: 80 }))
    await agent.answer(putOf(1, null, { 1: { name: 'web', listen, to, on_change: change } }))
    const pools = async () => {
      const sets = (await door.setNames()).filter((name) => name.startsWith('pool'))
      return JSON.stringify([...(await door.read(sets)).values()].flatMap((set) => [...set]))
    }
    const all = await pools()
    read.length = 0
    await agent.learn(down('10.0.0.5:80'))
    const two = await pools()
    expect(two).not.toBe(all)
    expect(read.splice(0)).toEqual(fallen)
    await agent.learn(warming)
    expect(await pools()).not.toBe(two)
    expect(read.splice(0)).toEqual(warmed)
  })
})

describe('a static part that is refused', () => {
  beforeEach(async () => void (await realAgent().ask({ verb: 'clear' })))

  const restricted = {
    ...putOf(2, null, {}),
    forwards: [{ number: 1, forward: { listen: 'tcp/8443', to: '10.0.0.5:443', from: ['192.0.2.1'] } }],
  }

  /** An agent whose kernel refuses the next text with these words, and what it was asked to load. */
  function refusedOnce(words: string) {
    const asked: string[] = []
    const through: Door = {
      ...door,
      runNft: (text) => {
        asked.push(text)
        return asked.length === 1 ? Promise.reject(new Error(words)) : door.runNft(text)
      },
    }
    return { agent: new Agent(machineOf(through, directory)), asked }
  }

  test.each([
    'Error: Could not process rule: No buffer space available',
    'Error: Could not process rule: Cannot allocate memory',
  ])('for what passes (%s) is not made anew, and the next attempt finds the counters', async (words) => {
    await realAgent().ask(putOf(1, null, { 1: web }))
    run('nft', 'add element inet drawbridge refused { 0:9 counter packets 7 bytes 7 }')
    const { agent, asked } = refusedOnce(words)
    await expect(agent.answer(restricted)).rejects.toThrow(words)
    expect(asked).toHaveLength(1)
    expect((await door.counts(['refused'])).get('refused')?.get('0:9')).toBe(7)
  })

  test('because of what is in the table is made anew in one transaction', async () => {
    await realAgent().ask(putOf(1, null, { 1: web }))
    const { agent, asked } = refusedOnce('Error: Could not process rule: File exists')
    expect(await agent.answer(restricted)).toMatchObject({
      outcome: 'written',
    })
    expect(asked[1]).toMatch(/^add table inet drawbridge\ndelete table inet drawbridge\n/)
    expect([...((await door.read(['openings'])).get('openings') ?? [])]).toHaveLength(1)
  })
})
