/** What is allowed but probably not meant. */
import type { Lists } from '../compile/elements.ts'
import { prefixesOf } from '../compile/elements.ts'
import { type Forward, familiesOf, isOwn } from '../model/forward.ts'
import { listenFamily } from '../model/listen.ts'
import { describeName, type NameView } from '../model/naming.ts'

/** One sentence each, naming the forward. */
export function warningsOf(
  forwards: readonly Forward[],
  lists: Lists,
  ours: ReadonlySet<string>,
): readonly string[] {
  return forwards.flatMap((forward) => [
    ...addressWarnings(forward, ours),
    ...sourceNatWarnings(forward, ours),
    ...sourceWarnings(forward, lists),
  ])
}

/** A name without a good answer is no refusal: its server may be away for a moment, and the forward follows when it is back. */
export function nameWarnings({ name, enabled }: Forward, views: readonly NameView[]): readonly string[] {
  if (!enabled) return []
  return views.flatMap((view) => {
    if (view.leads.length === 0)
      return [`${name}: ${describeName(view)}; nobody gets through to it until it does`]
    return view.trouble || view.left.length > 0 ? [`${name}: ${describeName(view)}`] : []
  })
}

function addressWarnings({ name, listen }: Forward, ours: ReadonlySet<string>): string[] {
  if (listenFamily(listen) === undefined) return []
  const address =
    listen.kind === 'ping' ? listen.address : listen.place.kind === 'address' && listen.place.address
  if (!address || ours.has(address.text)) return []
  return [`${name}: no interface of this machine has ${address.text} now; the forward works once one does`]
}

function sourceWarnings(forward: Forward, lists: Lists): string[] {
  if (forward.sources === 'anywhere') return []
  const families = new Set(prefixesOf(forward.sources, lists).map(({ family }) => family))
  // It has both families without having been told so, and sources of one say which is meant.
  if (isOwn(forward) && families.size > 0) return []
  return familiesOf(forward)
    .filter((family) => !families.has(family))
    .map((family) => `${forward.name}: no IPv${family} address may connect, as its sources name none`)
}

function sourceNatWarnings({ name, sourceNat }: Forward, ours: ReadonlySet<string>): string[] {
  if (sourceNat.kind !== 'address' || ours.has(sourceNat.address.text)) return []
  return [
    `${name}: no interface of this machine has ${sourceNat.address.text}; replies to it will not arrive here`,
  ]
}
