/**
 * Services opened here, as rules of ufw by its own command, so that `ufw status` shows them among the operator's. Ours are
 * those with our comment, and what is there is read from its files, as each command takes a fraction of a second.
 *
 * ufw tells rules apart by everything but action and comment (UFWRule.match in its common.py): asked for a rule that the
 * operator has already, it would write our comment on it, and would turn a `deny` of theirs into our `allow`. So of a rule
 * that is there and not ours nothing is asked.
 */
import { runProgram } from '../kernel/run.ts'
import { printPrefix } from '../model/address.ts'
import type { Allowance, Unadmitted } from '../model/allowance.ts'
import { readText } from './reading.ts'

/** Each rule has a line that ufw reads it by, before the one that iptables-restore reads. */
const files = { 4: '/etc/ufw/user.rules', 6: '/etc/ufw/user6.rules' } as const
const everywhere = { 4: '0.0.0.0/0', 6: '::/0' } as const
const signature = 'drawbridge: '

export interface UfwRule {
  /** `allow tcp 5432 0.0.0.0/0 any 198.51.100.0/24 in` without the action: all that ufw tells rules apart by. */
  readonly key: string
  readonly action: string
  readonly comment: string
}

/** The rules in the text of one of its files; those by application profiles are the operator's alone. */
export function readUfwRules(text: string): readonly UfwRule[] {
  return [...text.matchAll(/^### tuple ### (\S+) (\S+ \S+ \S+ \S+ \S+ \S+)(?: comment=([0-9a-f]+))?$/gm)].map(
    ([, action = '', key = '', comment = '']) => ({
      key,
      action,
      comment: Buffer.from(comment, 'hex').toString(),
    }),
  )
}

interface Step {
  readonly verb: 'delete' | 'allow'
  readonly words: readonly string[]
}

/** The commands that lead from what is there to what is wanted, and what cannot be had. Pure. */
export function ufwSteps(
  present: readonly UfwRule[],
  wanted: readonly Allowance[],
): { readonly steps: readonly Step[]; readonly unadmitted: readonly Unadmitted[] } {
  const byKey = new Map(wanted.map((one) => [keyOf(one), one]))
  const isWanted = ({ key, comment }: UfwRule) => comment === `${signature}${byKey.get(key)?.forward}`
  const [ours, theirs] = [present.filter(isOurs), new Map(present.map((rule) => [rule.key, rule]))]
  const leaving = ours.filter((rule) => !isWanted(rule))
  const missing = [...byKey].filter(([key]) => {
    const found = theirs.get(key)
    return !found || (isOurs(found) && !isWanted(found))
  })
  const contrary = [...byKey].flatMap(([key, { forward }]) => {
    const found = theirs.get(key)
    return found && !isOurs(found) && !/^(allow|limit)/.test(found.action)
      ? [{ forward, why: `a rule of yours says ${found.action} to the same (${sayRule(found)})` }]
      : []
  })
  return {
    steps: [
      ...leaving.map(({ key, comment }): Step => ({ verb: 'delete', words: wordsOf(key, comment) })),
      ...missing.map(
        ([key, { forward }]): Step => ({ verb: 'allow', words: wordsOf(key, `${signature}${forward}`) }),
      ),
    ],
    unadmitted: contrary,
  }
}

/** What of ours is there, whether ufw is on or off. */
function presentUfwRules(): readonly UfwRule[] {
  return [files[4], files[6]].flatMap((path) => readUfwRules(readText(path) ?? ''))
}

/** Carries it out and looks again: ufw says of much that it has not done that it is no error. */
export async function admitInUfw(wanted: readonly Allowance[]): Promise<readonly Unadmitted[]> {
  const { steps, unadmitted } = ufwSteps(presentUfwRules(), wanted)
  for (const { verb, words } of steps) {
    const args = verb === 'delete' ? ['--force', 'delete', 'allow', ...words] : ['allow', ...words]
    const { code, stdout, stderr } = await runProgram('ufw', args)
    if (code !== 0) throw new Error(`ufw ${args.join(' ')}: ${(stderr || stdout).trim().split('\n')[0]}`)
  }
  const [left] = steps.length === 0 ? [] : ufwSteps(presentUfwRules(), wanted).steps
  if (left) throw new Error(`ufw did not ${left.verb} ${left.words.join(' ')}`)
  return unadmitted
}

function isOurs({ action, comment }: UfwRule): boolean {
  return action === 'allow' && comment.startsWith(signature)
}

function keyOf({ protocol, ports: { first, last }, source, to, interface: by }: Allowance): string {
  const ports = first === last ? first : `${first}:${last}`
  const from = source.length === 0 ? everywhere[source.family] : printPrefix(source)
  return `${protocol} ${ports} ${to?.text ?? everywhere[source.family]} any ${from} ${by === null ? 'in' : `in_${by}`}`
}

/** The words of its command line. A source of one family alone makes a rule of that family alone, `any` one of each. */
function wordsOf(key: string, comment: string): readonly string[] {
  const [protocol = '', port = '', to = '', , from = '', way = ''] = key.split(' ')
  const by = way.startsWith('in_') ? ['in', 'on', way.slice(3)] : []
  const at = Object.values<string>(everywhere).includes(to) ? 'any' : to
  return [...by, 'proto', protocol, 'from', from, 'to', at, 'port', port, 'comment', comment]
}

function sayRule({ key, action }: UfwRule): string {
  const [protocol, port, to, , from] = key.split(' ')
  return `ufw ${action} proto ${protocol} from ${from} to ${to} port ${port}`
}
