/** Our table in the real kernel: what is written is what is read, whatever the gateway. */
import { isDeepStrictEqual } from 'node:util'
import { Worker } from 'node:worker_threads'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { differenceOf, type Held, hold } from '../../src/compile/difference.ts'
import type { Element } from '../../src/compile/element.ts'
import { layoutOf } from '../../src/compile/sets.ts'
import { printSkeleton, type Skeleton, skeletonOf } from '../../src/compile/skeleton.ts'
import { type Door, openDoor } from '../../src/kernel/door.ts'
import { parseForward } from '../../src/model/forward.ts'
import { defaultSettings, type Written } from '../../src/model/gateway.ts'
import { compiled } from '../compile/compiled.ts'
import { gateways, runsOf } from '../model/arbitrary.ts'
import { must } from '../model/problems.ts'
import { enterNewNetwork, run } from './network.ts'

const anew = 'add table inet drawbridge\ndelete table inet drawbridge\n'
const { mark } = defaultSettings

let door: Door

beforeAll(async () => {
  enterNewNetwork()
  door = await openDoor()
})

afterAll(() => door.close())

function gatewayOf(...shorts: string[]): Written {
  return { settings: defaultSettings, lists: [], forwards: shorts.map((short) => parseForward(short)) }
}

/** Makes the table anew with this skeleton, without elements. */
async function load(skeleton: Skeleton): Promise<void> {
  await door.runNft(`${anew}${printSkeleton(skeleton)}`)
}

async function loadWhole(gateway: Written): Promise<readonly Element[]> {
  const { skeleton, elements } = compiled(gateway)
  await load(skeleton)
  expect(await door.write({ remove: [], add: elements })).toEqual([])
  return elements
}

function notEmpty(held: Held) {
  return new Map([...held].filter(([, elements]) => elements.size > 0))
}

/** A dump may leave elements out while the kernel still resizes a set, so it is looked at again for a while. */
async function expectHeld(skeleton: Skeleton, elements: readonly Element[]): Promise<void> {
  const sets = skeleton.sets.filter((set) => !layoutOf(set).dynamic)
  const meant = hold(elements)
  for (const until = Date.now() + 3000; Date.now() < until; ) {
    if (isDeepStrictEqual(notEmpty(await door.read(sets)), meant)) return
  }
  expect(notEmpty(await door.read(sets))).toEqual(meant)
}

describe('any gateway', () => {
  test('is in the kernel as it was meant, and so is the next one by their difference', async () => {
    await fc.assert(
      fc.asyncProperty(gateways, gateways, fc.boolean(), async (first, second, shielded) => {
        const [before, after] = [compiled(first), compiled(second, shielded ? [4, 6] : [])]
        await load(before.skeleton)
        expect(await door.write({ remove: [], add: before.elements })).toEqual([])
        await expectHeld(before.skeleton, before.elements)

        const used = [...new Set([...before.skeleton.sets, ...after.skeleton.sets])]
        await door.runNft(printSkeleton(skeletonOf({ mark, used })))
        expect(await door.write(differenceOf(hold(before.elements), hold(after.elements)))).toEqual([])
        const vanished = before.skeleton.sets.filter((set) => !after.skeleton.sets.includes(set))
        await door.runNft(printSkeleton(after.skeleton, { sets: vanished, chains: [] }))
        await expectHeld(after.skeleton, after.elements)
        const names = (await door.setNames()).filter((name) => !name.startsWith('__'))
        expect(names.sort()).toEqual(after.skeleton.sets)
      }),
      runsOf(30),
    )
  }, 60_000)

  test('written twice is there once', async () => {
    await fc.assert(
      fc.asyncProperty(gateways, async (gateway) => {
        const elements = await loadWhole(gateway)
        expect(await door.write({ remove: [], add: elements })).toEqual([])
        await expectHeld(compiled(gateway).skeleton, elements)
      }),
      runsOf(5),
    )
  })
})

describe('a difference', () => {
  const web = gatewayOf('tcp/8443 -> 10.0.0.5:443')
  const added = (key: string) => ({ set: 'openings', key, data: '0:9' })

  test('holds whole or not at all: what is not there cannot be removed', async () => {
    const elements = await loadWhole(web)
    const remove = [{ set: 'openings', key: 'ipv4 . tcp . 1' }]
    await expect(door.write({ remove, add: [added('ipv4 . tcp . 2')] })).rejects.toThrow(/ENOENT/)
    await expectHeld(compiled(web).skeleton, elements)
  })

  test('does not change the data of an element that stays: it has to be removed first', async () => {
    const elements = await loadWhole(web)
    const other = { ...must(elements[0]), data: '0:9' }
    await expect(door.write({ remove: [], add: [other] })).rejects.toThrow(/EEXIST/)
    expect(await door.write({ remove: [other], add: [other] })).toEqual([])
    await expectHeld(compiled(web).skeleton, [other, ...elements.slice(1)])
  })

  test('after a refused one, the next is answered for itself', async () => {
    await loadWhole(web)
    const wrong = Array.from({ length: 2000 }, (_, port) => ({
      set: 'openings',
      key: `ipv6 . tcp . ${port + 1}`,
    }))
    await expect(door.write({ remove: wrong, add: [] })).rejects.toThrow(/ENOENT/)
    expect(await door.write({ remove: [], add: [added('ipv4 . tcp . 2')] })).toEqual([])
  })

  test('names the elements that somebody else takes out meanwhile', async () => {
    const { skeleton, elements } = compiled(gatewayOf('tcp/20000-30000 -> 10.0.0.5'))
    const last = must(elements.at(-1))
    const other = await openDoor()
    let missing: readonly Element[] = []
    // It can come too late, when everything has been read back already.
    for (let attempt = 0; attempt < 10 && missing.length === 0; attempt += 1) {
      await load(skeleton)
      const taken = retried(() => other.write({ remove: [last], add: [] }))
      missing = await door.write({ remove: [], add: elements })
      await taken
    }
    expect(missing).toEqual([last])
    await other.close()
  })

  test('for a table that is gone is refused', async () => {
    const elements = await loadWhole(web)
    await door.runNft(anew)
    await expect(door.write({ remove: [], add: elements })).rejects.toThrow(/ENOENT/)
    expect(await door.read(['openings'])).toEqual(new Map([['openings', new Map()]]))
    expect(await door.setNames()).toEqual([])
  })
})

async function retried<T>(work: () => Promise<T>): Promise<T> {
  const until = Date.now() + 5000
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if (Date.now() > until) throw error
    }
  }
}

test('one forward of 64,512 ports is written, read back and taken out again', async () => {
  const elements = await loadWhole(gatewayOf('tcp/1024-65535 -> 10.0.0.5'))
  expect(elements).toHaveLength(2 * 64_512)
  const sizes = async () => [...(await door.read(['openings', 'targets4'])).values()].map(({ size }) => size)
  await expect.poll(sizes, { timeout: 5000 }).toEqual([64_512, 64_512])
  expect(await door.write({ remove: elements, add: [] })).toEqual([])
  expect(await sizes()).toEqual([0, 0])
})

describe('the fingerprint', () => {
  const web = gatewayOf('tcp/8443 -> 10.0.0.5:443')
  const { skeleton, elements } = compiled(web, [4])

  test('is the same for the same skeleton: loaded twice, anew, and beside other tables', async () => {
    await load(skeleton)
    const fingerprint = await door.fingerprint()
    expect(fingerprint).toMatch(/^[0-9a-f]{64}$/)
    await door.runNft(printSkeleton(skeleton))
    expect(await door.fingerprint()).toBe(fingerprint)
    await load(skeleton)
    expect(await door.fingerprint()).toBe(fingerprint)
    run('nft', 'add table inet other; add chain inet other forwards; add rule inet other forwards drop')
    expect(await door.fingerprint()).toBe(fingerprint)
  })

  test('takes no notice of elements', async () => {
    await load(skeleton)
    const fingerprint = await door.fingerprint()
    await door.write({ remove: [], add: elements })
    expect(await door.fingerprint()).toBe(fingerprint)
  })

  test.each([
    ['a rule added', 'add rule inet drawbridge guard accept'],
    ['a rule put first', 'insert rule inet drawbridge forward accept'],
    ['the rules of a chain taken out', 'flush chain inet drawbridge ports'],
    ['a chain added', 'add chain inet drawbridge more'],
    ['a policy changed', 'add chain inet drawbridge forward { policy drop; }'],
    ['a set added', 'add set inet drawbridge more { type ipv4_addr; }'],
  ])('tells %s by hand', async (_, command) => {
    await load(skeleton)
    const fingerprint = await door.fingerprint()
    run('nft', command)
    expect(await door.fingerprint()).not.toBe(fingerprint)
  })

  test('tells two skeletons apart, and that there is none', async () => {
    await load(skeleton)
    const fingerprint = await door.fingerprint()
    await load(skeletonOf({ mark: { value: 1, mask: 0xff }, used: [] }))
    expect(await door.fingerprint()).not.toBe(fingerprint)
    await door.runNft(anew)
    expect(await door.fingerprint()).toBe('')
  })
})

test('counters are read by element, and of nothing there is no count', async () => {
  const elements = await loadWhole(gatewayOf('tcp/8443 -> 10.0.0.5:443'))
  const targets = elements.filter(({ set }) => set === 'targets4')
  expect(await door.countElements([...targets, { set: 'refused', key: '0:7' }])).toEqual([0, undefined])
  expect(await door.counts(['targets4', 'openings'])).toEqual(
    new Map([['targets4', new Map([['0:1 . tcp . 8443', 0]])]]),
  )
})

test('what nft refuses changes nothing, and is told in its words', async () => {
  const elements = await loadWhole(gatewayOf('tcp/8443 -> 10.0.0.5:443'))
  await expect(
    door.runNft('flush table inet drawbridge\nadd rule inet drawbridge guard nonsense\n'),
  ).rejects.toThrow(/nonsense|syntax/)
  await expectHeld(compiled(gatewayOf('tcp/8443 -> 10.0.0.5:443')).skeleton, elements)
})

test('while another program commits without a pause, what is read is the same as when nobody does', async () => {
  const many = Array.from({ length: 3000 }, (_, index) => `tcp/${10_000 + index} -> 10.0.0.5:80`)
  const elements = await loadWhole(gatewayOf(...many))
  const calm = await Promise.all([door.setNames(), door.chainNames(), door.fingerprint()])
  const restless = new Worker(new URL('committing.ts', import.meta.url))
  let commits = 0
  restless.on('message', () => {
    commits += 1
  })
  try {
    await expect.poll(() => commits).toBeGreaterThan(0)
    for (let round = 0; round < 5; round += 1) {
      expect(await Promise.all([door.setNames(), door.chainNames(), door.fingerprint()])).toEqual(calm)
      const held = await door.read(['openings', 'targets4'])
      expect(notEmpty(held)).toEqual(hold(elements))
      await door.foreignChains()
      await door.others()
    }
    expect(commits).toBeGreaterThan(5)
  } finally {
    await restless.terminate()
  }
})
