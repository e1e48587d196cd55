/** Who asks, how sure they are, and whether they only want to know: what a request says beside what it wants. */
import type { FastifyRequest } from 'fastify'
import { readAddress } from '../model/address.ts'
import { Problem } from '../model/problem.ts'
import type { Session } from '../model/session.ts'
import { parseNote } from '../model/text.ts'
import type { Command, Origin, Store } from '../store/store.ts'
import type { ApplyRequest, Trial } from './shapes.ts'

export interface Asking {
  readonly actor: string
  readonly uid: number | null
  readonly how: 'cli' | 'api'
  /** The SSH session that the command came over, if it came over one. */
  readonly from?: Session | undefined
  readonly dryRun: boolean
  readonly based?: number | undefined
  readonly privileged?: boolean | undefined
  /** Services of this machine may be hidden. */
  readonly takeOver?: boolean | undefined
  readonly note?: string | undefined
  /** Seconds within which the change must be confirmed; 0: it need not be, also where that would be required. */
  readonly confirm?: number | undefined
}

type Wishes = Trial & Partial<Pick<ApplyRequest, 'privileged' | 'take_over'>>

export function asking(
  request: FastifyRequest,
  { dry_run, based, privileged, take_over, note, confirm }: Wishes = {},
): Asking {
  return {
    ...personOf(request),
    from: sessionOf(request),
    dryRun: dry_run === true,
    based,
    privileged,
    takeOver: take_over,
    confirm,
    note: note === undefined ? undefined : parseNote('note', note),
  }
}

/**
 * Only root and the controller's own user can open the socket, so the name they give is taken as it is. The command line
 * says its user's number too; whoever does not is another client.
 */
function personOf({ headers }: FastifyRequest): Pick<Asking, 'actor' | 'uid' | 'how'> {
  const { 'x-drawbridge-user': name, 'x-drawbridge-uid': uid } = headers
  const numbered = typeof uid === 'string' && /^\d{1,10}$/.test(uid)
  return {
    actor: typeof name === 'string' && /^[A-Za-z0-9._-]{1,64}$/.test(name) ? name : 'unknown',
    uid: numbered ? Number(uid) : null,
    how: numbered ? 'cli' : 'api',
  }
}

/** The SSH session that the command was typed in, as the client says it: see asker.ts. */
function sessionOf(request: FastifyRequest): Session | undefined {
  const told = request.headers['x-drawbridge-from']
  const [from = '', port, to = '', toPort] = typeof told === 'string' ? told.split(' ') : []
  // The kernel tells of its sockets without the zone that sshd writes after a link-local address.
  const [client, server] = [from, to].map((text) => readAddress(text.replace(/%.*/, '')))
  if (!client || !server) return undefined
  return { client, clientPort: Number(port), server, serverPort: Number(toPort) }
}

/** As the log says it. */
export function originOf(
  { actor, uid, how, from, note = '' }: Asking,
  command: Command,
  now: number,
): Origin {
  const at = new Date(now).toISOString()
  return { actor, uid, address: from?.client.text ?? 'local', how, command, at, note }
}

/** Enters an act; a full disk must not keep anybody from taking the forwards out of the kernel. */
export function enterAnyhow(store: Store, origin: Origin): void {
  try {
    store.record(origin)
  } catch (error) {
    if (!(error instanceof Problem && error.code === 'store-unwritable')) throw error
    const { command, actor } = origin
    process.stderr.write(`drawbridge: ${command} by ${actor} is not in the log, as it cannot be written\n`)
  }
}
