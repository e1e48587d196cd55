/** The rules that say who may use a forward, and how often: for bans, allowed sources and limits, each by its set. */
import ipaddr from 'ipaddr.js'
import type { Family } from '../model/address.ts'
import { meterName, type NamedSet, setName } from './sets.ts'

/** Only packets that a forward would take come to these. The elements count what is dropped. */
export function banRules(set: NamedSet): string[] {
  return set.kind === 'banned' ? [`${maskedSource(set)} @${setName(set)} drop`] : []
}

export function allowRules(set: NamedSet): string[] {
  return set.kind === 'allowed' ? [`meta priority . ${maskedSource(set)} @${setName(set)} return`] : []
}

function maskedSource({ family, length }: NamedSet & { kind: 'allowed' | 'banned' }): string {
  const address = family === 4 ? 'ip saddr' : 'ip6 saddr'
  const whole = length === (family === 4 ? 32 : 128)
  return whole ? address : `(${address} & ${maskOf(family, length)})`
}

function maskOf(family: Family, length: number): string {
  return family === 4
    ? ipaddr.IPv4.subnetMaskFromPrefixLength(length).toString()
    : ipaddr.IPv6.subnetMaskFromPrefixLength(length).toRFC5952String()
}

export function limitRules(set: NamedSet): string[] {
  if (set.kind !== 'rate' && set.kind !== 'open') return []
  const name = setName(set)
  const check =
    set.kind === 'rate'
      ? `limit rate over ${set.count}/${set.per} burst ${set.count} packets`
      : `ct count over ${set.count}`
  return ([4, 6] as const).map((family) => {
    const address = family === 4 ? 'ip saddr' : 'ip6 saddr'
    const meter = `${set.kind === 'rate' ? 'update' : 'add'} @${meterName(set, family)} { meta priority . ${address} ${check} }`
    return `meta priority @${name} ${meter} meta priority @limited drop`
  })
}

export function metersOf(set: NamedSet): string[] {
  return set.kind === 'rate' || set.kind === 'open' ? [meterName(set, 4), meterName(set, 6)] : []
}
