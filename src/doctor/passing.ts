/** What lets the packets of a forward past a rule that is not ours. */
import type { Exposure } from '../model/exposure/exposure.ts'
import { admission } from '../model/foreign.ts'
import type { Mark } from '../model/gateway.ts'
import type { Passage } from './evidence.ts'
import type { Dropped } from './probed.ts'

/** Our mark is set here; chains before it cannot ask for it. */
const markedFrom = -105

/**
 * Exactly what lets the forward pass: of a policy a rule for what forwards have marked, of a rule its removal by the program
 * that wrote it; '' where that program has to be asked.
 */
export function passingBy(
  { table, chain, handle, owner, rule, hook, priority }: Dropped['judgement'],
  mark: Mark,
): string {
  const [family = '', name = ''] = table.split(' ')
  if (
    handle === 0 &&
    owner !== 'firewalld' &&
    isFamily(family) &&
    !(hook === 'prerouting' && priority < markedFrom)
  )
    return admission({ family, table: name, name: chain }, mark)
  const byHand = owner === 'by hand' || owner === '' || chain === 'DOCKER-USER'
  if (!byHand) return inquiries[owner] ?? ''
  if (handle === 0) return ''
  const program = family === 'ip6' ? 'ip6tables' : 'iptables'
  return rule.startsWith('-A ')
    ? `${program} -t ${name} -D ${rule.slice(3)}`
    : `nft delete rule ${table} ${chain} handle ${handle}`
}

const isFamily = (text: string): text is 'inet' | 'ip' | 'ip6' => ['inet', 'ip', 'ip6'].includes(text)

/** Where its rules have numbers or names of its own. */
const inquiries: Readonly<Record<string, string>> = {
  ufw: 'ufw status numbered',
  firewalld: 'firewall-cmd --list-all-zones',
  Fail2Ban: 'fail2ban-client banned',
  CrowdSec: 'cscli decisions list',
}

/** By what the command does. */
export function remedyFor(command: string): string {
  if (/ -D | delete rule /.test(command))
    return 'Take that rule away, or put one before it that admits these packets.'
  if (/mark/.test(command)) return 'Admit what forwards have sent on, and nothing else, in that chain.'
  return 'Find the rule there and take it away by the same program.'
}

/** `table ip filter, chain FORWARD, rule handle 7`, in the words of a judgement. */
const placed = /table (\S+ \S+), chain ([^,\s]+), (?:rule handle (\d+)|policy)/

/** What the judgement of rules says, with the narrowest that lets the forward pass. */
export function passageOf({ state, rule }: Pick<Exposure, 'state' | 'rule'>, mark: Mark): Passage {
  const [, table = '', chain = '', handle] = placed.exec(rule) ?? []
  const [family = '', name = ''] = table.split(' ')
  const ofPolicy = isFamily(family) ? admission({ family, table: name, name: chain }, mark) : ''
  const command = handle === undefined ? ofPolicy : `nft delete rule ${table} ${chain} handle ${handle}`
  return { state, rule, remedy: remedyFor(command), command }
}
