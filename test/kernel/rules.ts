/** What becomes of packets under rules that are loaded into the kernel, in a network of their own. */
import { spawnSync } from 'node:child_process'
import { afterEach, beforeAll } from 'vitest'
import { readFilters } from '../../src/kernel/filters/reading.ts'
import { openNetlink } from '../../src/kernel/netlink.ts'
import type { Family } from '../../src/model/address.ts'
import { type Fate, fatesOf } from '../../src/model/exposure/fates.ts'
import { passToForwards, passToServices } from '../../src/model/exposure/passage.ts'
import { everyOf } from '../../src/model/exposure/ranges.ts'
import { alteredBy, rangeOfAddress, type Scene } from '../../src/model/exposure/scene.ts'
import { portWords, sourceWords } from '../../src/model/exposure/words.ts'
import { addLinks, enterNewNetwork, run } from './network.ts'

/** Each test begins without rules. */
export function startRules(): void {
  beforeAll(() => {
    enterNewNetwork()
    addLinks('eth0', 'eth1')
  })
  afterEach(() => void run('nft', 'flush', 'ruleset'))
}

const own = { 4: ['203.0.113.1', '203.0.113.9'], 6: ['2001:db8:1::1'] } as const

export function load(program: string, text: string, ...words: string[]): void {
  const { status, stderr } = spawnSync(program, words, { input: text, encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
}

/** What becomes of packets to this machine by eth0, as `80 from anywhere: open`. */
export function fates({ family = 4, protocol = 'tcp', ...more }: Partial<Scene> = {}): string[] {
  const filters = readFilters(openNetlink(1 << 22))
  const scene: Scene = {
    family,
    protocol,
    interface: 'eth0',
    label: 'eth0',
    arrival: { interface: 'eth0', devices: [{ name: 'eth0', type: 1, isPort: false, isTagged: false }] },
    sources: everyOf(family === 4 ? 32 : 128),
    returns: { returns: undefined, routed: undefined },
    bridges: new Set(),
    veils: [],
    addresses: own[family].flatMap(rangeOfAddress),
    filters,
    altered: alteredBy(filters),
    ways: { '10.0.0.5': 'eth1' },
    budget: { left: 1_000_000 },
    ...more,
  }
  return fatesOf(passToServices(scene, passToForwards(scene), []))
    .map((fate) => lineOf(fate, family))
    .sort()
}

function lineOf({ box, state, packets }: Fate, family: Family): string {
  const to = packets.translated ? ` -> ${packets.translated.address ?? 'here'}` : ''
  const one = box.address.length === 1 && family === 4 ? ' at one address' : ''
  return `${portWords(box.port)}${one} from ${sourceWords(box, family)}${to}: ${state}`
}

/** The fates under these rules of an input chain that drops the rest. */
export function under(
  rules: readonly string[],
  more = '',
  asked: Parameters<typeof fates>[0] = {},
): string[] {
  const chain = 'type filter hook input priority filter; policy drop;'
  load('nft', `table inet hand {\n${more}\nchain in { ${chain}\n${rules.join('\n')}\n}\n}\n`, '-f', '-')
  return fates(asked).filter((line) => !line.endsWith('closed'))
}
