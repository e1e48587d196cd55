/** What elements have counted of our own probes, which are no client's connections. */
import { classid, type Element } from '../compile/element.ts'
import { withPort } from '../model/address.ts'
import type { Trace } from '../model/trace.ts'
import type { Holding } from './holding.ts'

type Place = Pick<Element, 'set' | 'key'>

/** An agent that starts knows nothing of the probes of another one: they count as connections from then on. */
export class Uncounted {
  readonly #probes = new Map<string, number>()

  note(place: Place | undefined): void {
    if (place) this.#probes.set(named(place), this.of(place) + 1)
  }

  /** The kernel begins anew to count for these. */
  forget(places: readonly Place[]): void {
    if (this.#probes.size > 0) for (const place of places) this.#probes.delete(named(place))
  }

  of(place: Place): number {
    return this.#probes.get(named(place)) ?? 0
  }
}

const named = ({ set, key }: Place) => `${set} ${key}`

/** The element that has counted a probe. */
export function countedAt(holding: Holding, trace: Trace): Place | undefined {
  const number = holding.numberOf(trace.forward)
  if (number === undefined) return undefined
  const id = classid(number)
  const { ending, protocol, port, target } = trace
  const { chain = '' } = ending.kind === 'dropped' ? ending.judgement : {}
  if (chain === 'sources') return { set: 'refused', key: id }
  if (chain === 'guard') return { set: 'limited', key: id }
  const opening = protocol === 'icmp' ? '' : ` . ${protocol} . ${port}`
  return holding.elementsNumbered(new Set([number])).find(({ set, key, data }) => {
    if (set === 'own') return target !== ''
    if (set === 'proxied') return target !== '' && key === `${id} . ${port}`
    return isTarget(set) && key.endsWith(opening) && placeOf(data ?? '', trace) === target
  })
}

const isTarget = (set: string) => /^(targets|members|ping_targets)/.test(set)

/** `10.0.0.5 . 80`, as a target is told. */
function placeOf(data: string, { family }: Trace): string {
  const [text = '', port] = data.split(' . ')
  return port === undefined ? text : withPort({ family, text }, port)
}
