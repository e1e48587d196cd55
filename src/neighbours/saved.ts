/**
 * Copies of what is ours in files that other programs load: nftables.service, and iptables-persistent with its kin. Whoever
 * saves the whole ruleset saves our tables and rules with it.
 */
import { readdirSync } from 'node:fs'
import type { Obstacle } from '../model/foreign.ts'
import { readText } from './reading.ts'

type Saved = Obstacle & { readonly kind: 'saved' }

const nftFiles = ['/etc/nftables.conf', '/etc/sysconfig/nftables.conf']
const nftDirectories = ['/etc/nftables.d', '/etc/nftables']
const iptablesFiles = [
  '/etc/iptables/rules.v4',
  '/etc/iptables/rules.v6',
  '/etc/sysconfig/iptables',
  '/etc/sysconfig/ip6tables',
]

export function savedCopies(): readonly Saved[] {
  const nft = [...nftFiles, ...nftDirectories.flatMap(filesIn)]
  return [
    ...nft.flatMap((file) =>
      copyIn(file, [
        [anchor, 'anchor'],
        [table, 'table'],
      ]),
    ),
    ...iptablesFiles.flatMap((file) => copyIn(file, [[rule, 'rule']])),
  ]
}

const table = /^\s*(?:add\s+|create\s+)?table\s+inet\s+drawbridge\s*[{;]/m
const anchor = /^\s*(?:add\s+|create\s+)?table\s+inet\s+drawbridge_anchor\s*[{;]/m
/** As iptables-save prints it. */
const rule = /^-A \S+ .*--comment "?drawbridge"? .*-j ACCEPT$/m

/** The worst of what is there: one sentence for a file is enough. */
function copyIn(file: string, kinds: readonly (readonly [RegExp, Saved['holds']])[]): Saved[] {
  const text = readText(file) ?? ''
  const found = kinds.find(([pattern]) => pattern.test(text))
  return found ? [{ kind: 'saved', file, holds: found[1] }] : []
}

function filesIn(directory: string): string[] {
  try {
    return readdirSync(directory).map((name) => `${directory}/${name}`)
  } catch {
    return []
  }
}
