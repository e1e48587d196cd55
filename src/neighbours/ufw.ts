/**
 * ufw, which is also what CloudPanel drives. Its convention for rules that its command line does not know are the files
 * before.rules and before6.rules, loaded by each `ufw reload` and `enable` and left alone by its upgrades (ufw-framework(8)).
 * Our rule stands there and, until the next reload, in the kernel's chain of that file.
 */
import { realpathSync, statSync } from 'node:fs'
import { replaceFile } from '../kernel/files.ts'
import type { ForeignChain } from '../model/foreign.ts'
import type { Mark } from '../model/gateway.ts'
import { type Neighbour, type Presence, policyOf } from './neighbour.ts'
import { debianVersion, readText } from './reading.ts'
import { accept, acceptRule, chainsNamed, removeAccepts } from './xtables.ts'

const chainNames = { ip: 'ufw-before-forward', ip6: 'ufw6-before-forward' } as const
const files = { ip: '/etc/ufw/before.rules', ip6: '/etc/ufw/before6.rules' } as const
const settings = '/etc/ufw/ufw.conf'
const begin = '# drawbridge: connections of its forwards pass. Removed by: drawbridge down --all\n'
const end = '# drawbridge ends here\n'
/** Where ufw's own files say that rules may follow. */
const afterThis = '# End required lines\n'

export const ufw: Neighbour = {
  name: 'ufw',
  place: 'ufw-before-forward, by /etc/ufw/before.rules',
  see,
  async letThrough(mark, chains) {
    for (const family of ['ip', 'ip6'] as const) writeBlock(family, mark)
    // Switched off it leaves its chains, empty; the file is enough for when it is on again.
    if (isOn()) for (const chain of chainsNamed(chains, chainNames)) await accept(chain, mark)
  },
  async withdraw(chains) {
    for (const family of ['ip', 'ip6'] as const) writeBlock(family, null)
    for (const chain of chainsNamed(chains, chainNames)) await removeAccepts(chain)
  },
}

function see(chains: readonly ForeignChain[]): Presence | null {
  if (readText(settings) === undefined) return null
  const active = isOn() && chainsNamed(chains, chainNames).length > 0
  const dropping = chains.filter(
    ({ family, table, base }) =>
      active && family !== 'inet' && table === 'filter' && base?.hook === 'forward' && base.drops,
  )
  return { version: debianVersion('ufw'), active, drops: policyOf(dropping), chains: dropping, note: null }
}

function isOn(): boolean {
  return /^ENABLED=yes/m.test(readText(settings) ?? '')
}

/** Puts our lines into the file, or takes them out; a file that is as it should be is not touched. */
function writeBlock(family: 'ip' | 'ip6', mark: Mark | null): void {
  const path = files[family]
  const text = readText(path)
  if (text === undefined) return
  const without = withoutBlock(text)
  const wanted = mark === null ? without : withBlock(without, family, mark)
  if (wanted === text) return
  const real = realpathSync(path)
  replaceFile(real, wanted, statSync(real).mode & 0o777)
}

function withoutBlock(text: string): string {
  const from = text.indexOf(begin)
  const to = text.indexOf(end, from)
  return from < 0 || to < 0 ? text : text.slice(0, from) + text.slice(to + end.length)
}

/** A file that somebody has rewritten without ufw's own marks gets nothing: the rule in the kernel is all there is then. */
function withBlock(text: string, family: 'ip' | 'ip6', mark: Mark): string {
  const at = text.indexOf(afterThis)
  if (at < 0) return text
  const place = at + afterThis.length
  const rule = `-A ${chainNames[family]} ${acceptRule(mark).join(' ')}\n`
  return `${text.slice(0, place)}${begin}${rule}${end}${text.slice(place)}`
}
