/**
 * ufw, which is also what CloudPanel drives. Its convention for rules that its command line does not know are the files
 * before.rules and after.rules, loaded by each `ufw reload` and `enable` and left alone by its upgrades (ufw-framework(8)).
 * Our rule stands in the latter, after the operator's own (`ufw route deny from …` holds for forwards too) and before the
 * policy, and, until the next reload, in the kernel's chain of that file.
 */
import { realpathSync, statSync } from 'node:fs'
import { replaceFile } from '../kernel/files.ts'
import type { ForeignChain } from '../model/foreign.ts'
import type { Mark } from '../model/gateway.ts'
import { type Neighbour, type Presence, policyOf } from './neighbour.ts'
import { readText, type VersionOf } from './reading.ts'
import { admitInUfw } from './ufw-gate.ts'
import { accept, acceptRule, chainsNamed, removeAccepts } from './xtables.ts'

/** Where rules of its command line are; there are none of IPv6 where it is told to leave that alone (IPV6=no). */
const userChains = { ip: 'ufw-user-input', ip6: 'ufw6-user-input' } as const
const chainNames = { ip: 'ufw-after-forward', ip6: 'ufw6-after-forward' } as const
const files = { ip: '/etc/ufw/after.rules', ip6: '/etc/ufw/after6.rules' } as const
const settings = '/etc/ufw/ufw.conf'
const begin = '# drawbridge: connections of its forwards pass. Removed by: drawbridge down --all\n'
const end = '# drawbridge ends here\n'
/** Where ufw's own files say that rules may follow. */
const afterThis = '# End required lines\n'

export const ufw: Neighbour = {
  name: 'ufw',
  gate: {
    place: 'rules with the comment "drawbridge: NAME"',
    isActive,
    async admit(wanted, chains) {
      if (!isActive(chains)) return isOn() || wanted.length > 0 ? [] : admitInUfw([])
      const known = chainsNamed(chains, userChains)
      return admitInUfw(
        wanted.filter(({ source }) =>
          known.some(({ family }) => family === `ip${source.family === 4 ? '' : 6}`),
        ),
      )
    },
  },
  place: 'ufw-after-forward, by /etc/ufw/after.rules',
  see,
  // Switched on, it makes its chains, and we are called again; until then there is nothing to pass.
  async letThrough(mark, chains) {
    if (!isActive(chains)) return
    for (const family of ['ip', 'ip6'] as const) writeBlock(family, mark)
    for (const chain of chainsNamed(chains, chainNames)) await accept(chain, mark)
  },
  async withdraw(chains) {
    // Without its chains here it is the ufw of another network namespace that has the same files.
    if (isOn() && !isActive(chains)) return
    for (const family of ['ip', 'ip6'] as const) writeBlock(family, null)
    for (const chain of chainsNamed(chains, chainNames)) await removeAccepts(chain)
  },
}

function see(chains: readonly ForeignChain[], versionOf: VersionOf): Presence | null {
  if (readText(settings) === undefined) return null
  const active = isActive(chains)
  const dropping = chains.filter(
    ({ family, table, base }) =>
      active && family !== 'inet' && table === 'filter' && base?.hook === 'forward' && base.drops,
  )
  return { version: versionOf('ufw'), active, drops: policyOf(dropping), chains: dropping, note: null }
}

function isOn(): boolean {
  return /^ENABLED=yes/m.test(readText(settings) ?? '')
}

/** Switched off it leaves its chains, empty. */
function isActive(chains: readonly ForeignChain[]): boolean {
  return isOn() && chainsNamed(chains, chainNames).length > 0
}

/** Puts our lines into the file, or takes them out; a file that is as it should be is not touched. */
function writeBlock(family: 'ip' | 'ip6', mark: Mark | null): void {
  const path = files[family]
  const text = readText(path)
  if (text === undefined) return
  const without = withoutBlock(text)
  const wanted = mark === null ? without : withBlock(without, family, mark)
  if (wanted === text) return
  replaceOwned(realpathSync(path), wanted)
}

/** The agent may not give a file to somebody else, so one that is not its own stays as it is. */
function replaceOwned(path: string, text: string): void {
  const { uid, gid, mode } = statSync(path)
  if (uid !== process.getuid?.() || gid !== process.getgid?.())
    throw new Error(`${path} belongs to user ${uid} and group ${gid}, and is left as it is`)
  replaceFile(path, text, mode & 0o777)
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
