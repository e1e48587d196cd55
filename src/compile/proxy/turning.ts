/** What one proxy runs with -> what it is to run with: nothing to do, commands for its runtime API, or another configuration. Pure. */
import type { ProxyName } from '../../model/via.ts'
import { haproxyText, type ProxyFacts } from './haproxy.ts'
import { nginxText } from './nginx.ts'
import type { Passage, Server } from './passages.ts'
import { commandsBetween, type Slotted, slotsAfter } from './slots.ts'

/** What a proxy runs with. */
export interface Course {
  readonly passages: readonly Slotted[]
  readonly text: string
}

export type Turn =
  | { readonly kind: 'none'; readonly course: Course }
  | { readonly kind: 'commands'; readonly course: Course; readonly commands: readonly string[] }
  | { readonly kind: 'reload'; readonly course: Course }

/** Its stamp is not in the text yet: it is the text's digest. */
export type PlainFacts = Omit<ProxyFacts, 'stamp'>

export function turnTo(
  proxy: ProxyName,
  former: Course | undefined,
  passages: readonly Passage[],
  facts: PlainFacts,
): Turn {
  const before = new Map((former?.passages ?? []).map((passage) => [passage.id, passage]))
  const slotted = passages.map((passage) => ({
    ...passage,
    slots: slotsAfter(before.get(passage.id)?.slots ?? [], passage.servers),
  }))
  const course = { passages: slotted, text: textOf(proxy, slotted, facts) }
  if (former?.text === course.text) return { kind: 'none', course }
  const same =
    former &&
    textOf(proxy, former.passages.map(emptied), facts) === textOf(proxy, slotted.map(emptied), facts)
  if (proxy === 'nginx' || !same) return { kind: 'reload', course }
  const commands = slotted.map((one) => commandsBetween(one, before.get(one.id)?.slots ?? [], one.slots))
  return commands.every((lines) => lines !== undefined)
    ? { kind: 'commands', course, commands: commands.flat() }
    : { kind: 'reload', course }
}

/** Those that stay, and those that are leaving, so that nobody who was just sent to them finds nobody there. */
export function withLeaving(passages: readonly Passage[], former: Course | undefined): readonly Passage[] {
  const locals = new Set(passages.flatMap(({ entries }) => entries.map(({ local }) => local)))
  const ids = new Set(passages.map(({ id }) => id))
  const leaving = (former?.passages ?? []).filter(({ entries }) =>
    entries.every(({ local }) => !locals.has(local)),
  )
  // A forward that has moved to other ports is there twice for a moment, each under a name of its own.
  return [
    ...passages,
    ...leaving.map((one) =>
      ids.has(one.id) ? { ...one, id: `${one.id}_at_${one.entries[0]?.local}` } : one,
    ),
  ]
}

function textOf(proxy: ProxyName, passages: readonly Slotted[], facts: PlainFacts): string {
  const stamped = { ...facts, stamp: stampPlace }
  return proxy === 'haproxy' ? haproxyText(passages, stamped) : nginxText(passages, stamped)
}

/** Stands where the stamp comes. */
export const stampPlace = '0'.repeat(16)

/** What is the same whatever its servers are. */
function emptied(passage: Slotted): Slotted {
  return {
    ...passage,
    slots: passage.slots.map(() => null),
    servers: passage.servers.slice(0, 1).map(nowhere),
  }
}

const nowhere = (server: Server): Server => ({ ...server, key: '', address: '', weight: 0 })

/** How HAProxy's `show servers state` (since 1.5) tells of the names of these passages; '' when it agrees. */
export function disagreement(passages: readonly Slotted[], said: string): string {
  const found = new Map(
    said.split('\n').map((line) => {
      const fields = line.split(' ')
      return [`${fields[1]}/${fields[3]}`, { address: fields[4], weight: fields[7], port: fields[18] }]
    }),
  )
  for (const { id, slots } of passages) {
    for (const [index, slot] of slots.entries()) {
      const name = `${id}/s${index + 1}`
      const server = found.get(name)
      const agrees = slot
        ? server?.address === slot.address &&
          server.weight === `${slot.weight}` &&
          server.port === `${slot.port.value}`
        : server?.weight === '0'
      if (!agrees) return `${name} is ${JSON.stringify(server)}`
    }
  }
  return ''
}
