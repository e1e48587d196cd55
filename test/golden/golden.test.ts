/** Whole gateways as the rulesets they become: UPDATE_GOLDEN=1 writes the files anew, and the kernel must take each. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { beforeAll, describe, expect, test } from 'vitest'
import { printDifference } from '../../src/compile/difference.ts'
import { printSkeleton } from '../../src/compile/skeleton.ts'
import { parseAddress } from '../../src/model/address.ts'
import { parseGateway } from '../../src/model/gateway.ts'
import { compiled } from '../compile/compiled.ts'
import { enterNewNetwork, run } from '../kernel/network.ts'
import { registerOf } from '../model/arbitrary.ts'
import { type Golden, golden } from './gateways.ts'

beforeAll(enterNewNetwork)

const pathOf = (name: string) => new URL(`./${name}.nft`, import.meta.url)

/** The skeleton, and the elements as one transaction that adds them to it. */
function rulesetOf({ gateway, shield = [], bans = [], whereabouts = {} }: Golden): string {
  const written = parseGateway(gateway)
  registerOf(written) // The forwards can stand together.
  const located = new Map(
    Object.entries(whereabouts).map(([name, texts]) => [
      name,
      texts.map((text) => ({ address: parseAddress(name, text) })),
    ]),
  )
  const { skeleton, elements } = compiled(written, shield, bans, { whereabouts: located })
  return `${printSkeleton(skeleton)}\n${printDifference({ remove: [], add: elements })}`
}

describe.each(Object.entries(golden))('%s', (name, one) => {
  test('is the ruleset of its file', () => {
    const ruleset = rulesetOf(one)
    if (process.env.UPDATE_GOLDEN) writeFileSync(pathOf(name), ruleset)
    expect(existsSync(pathOf(name)), 'written with UPDATE_GOLDEN=1').toBe(true)
    expect(ruleset).toBe(readFileSync(pathOf(name), 'utf8'))
  })

  test('is taken by the kernel, twice', () => {
    const path = pathOf(name).pathname
    run('nft', 'flush', 'ruleset')
    for (const _ of ['first', 'again']) expect(run('nft', '-f', path)).toBe('')
    expect(run('nft', 'list', 'tables')).toBe('table inet drawbridge\n')
    // nft 1.0.6 crashes when it lists what some expressions have left in a set.
    expect(run('nft', 'list', 'ruleset')).toContain('chain forwarded')
  })
})

test('every file is of a gateway', () => {
  const files = readdirSync(new URL('.', import.meta.url)).filter((name) => name.endsWith('.nft'))
  expect(files.sort()).toEqual(
    Object.keys(golden)
      .map((name) => `${name}.nft`)
      .sort(),
  )
})

test('a ruleset with a mistake in it is not taken', () => {
  expect(() => run('nft', 'add rule inet drawbridge nowhere drop')).toThrow(/nowhere/)
})
