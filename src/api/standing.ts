/** What the operator stands on: the services by which this machine is administered, and who is connected to them. Pure. */
import { isDeepStrictEqual } from 'node:util'
import { admitterOf } from '../compile/elements.ts'
import { printPrefix } from '../model/address.ts'
import { type Forward, isOwn } from '../model/forward.ts'
import { printListen } from '../model/listen.ts'
import { concernedBy, type Listener } from '../model/listeners.ts'
import { type Change, listsAfter, type Register } from '../model/register.ts'
import { type Session, sessionKey } from '../model/session.ts'
import type { FlowEffect } from './shapes.ts'

const sshPort = 22
const mostReasons = 5

/** Where sshd serves: at its own port, and at the one that the asker has come in by. */
export function doorsOf(listeners: readonly Listener[], from: Session | undefined): readonly Listener[] {
  const isDoor = ({ protocol, port }: Listener) =>
    protocol === 'tcp' && (port === sshPort || port === from?.serverPort)
  return listeners.filter(isDoor)
}

/** Whether the change can take somebody's admission away: only then is it asked who is connected. */
export function narrows({ forwards }: Register, { put, putLists, removeLists }: Change): boolean {
  return putLists.length + removeLists.length > 0 || put.some(({ name }) => forwards.has(name))
}

/**
 * The sessions that may be the author's own. In a terminal multiplexer the shell names one from long ago: then it may be
 * any that is there.
 */
export function ownAmong(sessions: readonly Session[], from: Session | undefined): readonly Session[] {
  if (!from) return []
  const named = sessionKey(from)
  const isThere = sessions.some((session) => sessionKey(session) === named)
  return isThere || sessions.length === 0 ? [from] : sessions
}

export interface Standing {
  readonly doors: readonly Listener[]
  readonly sessions: readonly Session[]
  /** What becomes of the connection that the command came over; null: nothing. */
  readonly own: FlowEffect['fate'] | null
  /** It is that one, and not only one of some. */
  readonly ownIsKnown: boolean
}

/** Why the change may cut its author off, in whole sentences; none when it does not touch what they stand on. */
export function reasonsToConfirm(register: Register, change: Change, standing: Standing): readonly string[] {
  const reasons = [
    ...ownReasons(standing),
    ...doorReasons(register, change, standing.doors),
    ...listReasons(register, change, standing.sessions),
    ...admissionReasons(register, change, standing.sessions),
  ]
  const distinct = [...new Set(reasons)]
  const rest = distinct.length - mostReasons
  return rest > 0 ? [...distinct.slice(0, mostReasons), `and ${rest} more such reasons`] : distinct
}

function ownReasons({ own, ownIsKnown }: Standing): string[] {
  if (own === null) return []
  const which = ownIsKnown
    ? 'the connection over which this command came'
    : 'an SSH session over which this command may have come'
  return [own === 'drain' ? `${which} could not be made anew` : `it ends ${which}`]
}

function doorReasons(register: Register, change: Change, doors: readonly Listener[]): string[] {
  const { forwards } = register
  const { put, remove, settings } = change
  if (doors.length === 0) return []
  const lifted = register.settings.locked && settings?.locked === false ? [...forwards.values()] : []
  const leaving = remove.flatMap((name) => forwards.get(name) ?? [])
  const coming = put.flatMap((forward) => {
    const before = forwards.get(forward.name)
    if (before && sameTraffic(before, forward)) return []
    return before ? [before, forward] : [forward]
  })
  return [...lifted, ...leaving, ...coming].flatMap((forward) => {
    const door = concernedBy(forward, doors)
    const does = isOwn(forward) ? 'decides about' : 'takes'
    return door ? [`sshd serves at tcp port ${door.port}, which ${printListen(forward.listen)} ${does}`] : []
  })
}

/** The note and the end of a forward move no packet. */
function sameTraffic(a: Forward, b: Forward): boolean {
  return isDeepStrictEqual({ ...a, note: '', expires: null }, { ...b, note: '', expires: null })
}

/** A list that holds somebody who is connected, changed otherwise than by additions. */
function listReasons({ lists }: Register, change: Change, sessions: readonly Session[]): string[] {
  const kept = new Map(
    change.putLists.map(({ name, prefixes }) => [name, new Set(prefixes.map(printPrefix))]),
  )
  return [...kept.keys(), ...change.removeLists].flatMap((name) => {
    const before = lists.get(name)
    if (!before || before.prefixes.every((prefix) => kept.get(name)?.has(printPrefix(prefix)))) return []
    const admits = admitterOf(
      { sources: before.prefixes.map((prefix) => ({ kind: 'prefix', prefix })) },
      lists,
    )
    const session = sessions.find(({ client }) => admits(client))
    return session ? [`list ${name} holds ${session.client.text}, from where an SSH session is open`] : []
  })
}

/** A forward that somebody who is connected could use before, and could not any more. */
function admissionReasons(
  { forwards, lists }: Register,
  change: Change,
  sessions: readonly Session[],
): string[] {
  if (sessions.length === 0) return []
  const after = listsAfter(lists, change)
  return change.put.flatMap((forward) => {
    const before = forwards.get(forward.name)
    if (!before?.enabled || !forward.enabled) return []
    const [was, is] = [admitterOf(before, lists), admitterOf(forward, after)]
    const session = sessions.find(({ client }) => was(client) && !is(client))
    return session
      ? [`${forward.name} would refuse ${session.client.text}, from where an SSH session is open`]
      : []
  })
}
