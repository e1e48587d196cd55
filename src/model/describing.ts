/** Forwards in sentences. */
import { type Balance, type Forward, isOwn, type SourceNat } from './forward.ts'
import { describeHealth } from './health.ts'
import { printRate } from './limits.ts'
import { describeListen } from './listen.ts'
import { countPorts } from './ports.ts'
import { describeSources } from './sources.ts'
import { printTarget } from './target.ts'
import { describeVia } from './via.ts'

/** The sentence of what is true: `tcp/8080 on any address -> 10.0.0.5:80, from anywhere, client address kept`. */
export function describeForward(forward: Forward): string {
  const { newPerSource, openPerSource } = forward.limits
  return [
    `${describeListen(forward.listen)} -> ${describeTargets(forward)}${describeMapping(forward)}`,
    describeSources(forward.sources),
    ...(forward.via ? [describeVia(forward.via)] : []),
    ...(isOwn(forward) || forward.via ? [] : [describeSourceNat(forward.sourceNat)]),
    ...(newPerSource ? [`at most ${printRate(newPerSource)} new connections per source`] : []),
    ...(openPerSource ? [`at most ${openPerSource} open connections per source`] : []),
    ...(forward.health ? [describeHealth(forward.health)] : []),
    ...(forward.expires ? [`until ${forward.expires}`] : []),
    ...(forward.enabled ? [] : ['switched off']),
  ].join(', ')
}

/** Whether new connections have more than one place to go to in some family. */
function isPool({ targets, via }: Pick<Forward, 'targets' | 'via'>): boolean {
  if (via) return targets.length > 1
  const fixed = targets.flatMap(({ destination }) =>
    destination.kind === 'address' ? [destination.address.family] : [],
  )
  return targets.length > fixed.length ? targets.length > 1 : new Set(fixed).size < fixed.length
}

const balanceWords = {
  random: 'at random',
  'round-robin': 'in turn',
  source: 'by client address',
  'least-connections': 'with the fewest connections',
} as const satisfies Record<Balance, string>

function describeTargets(forward: Forward): string {
  if (isOwn(forward)) return 'this machine itself'
  const words = forward.targets.map((target) => {
    const { weight, drain } = target
    const more = [...(weight === 1 ? [] : [`weight ${weight}`]), ...(drain ? ['draining'] : [])]
    return `${printTarget(target, forward.listen)}${more.length > 0 ? ` (${more.join(', ')})` : ''}`
  })
  return isPool(forward) ? `one of ${words.join(', ')} ${balanceWords[forward.balance]}` : words.join(' and ')
}

function describeMapping({ listen, targets }: Forward): string {
  if (listen.kind === 'ping' || countPorts(listen.ports) === 1 || isOwn({ targets })) return ''
  const words = new Set(targets.map(({ ports }) => mappingWords[ports.kind]))
  return ` (${[...words].join('; ')})`
}

const mappingWords = { same: 'same port', from: 'port by port', all: 'all to one port' } as const

function describeSourceNat(sourceNat: SourceNat): string {
  switch (sourceNat.kind) {
    case 'auto':
      return 'client address kept'
    case 'preserve':
      return 'client address always kept'
    case 'masquerade':
      return "client address replaced by the gateway's"
    case 'address':
      return `client address replaced by ${sourceNat.address.text}`
  }
}
