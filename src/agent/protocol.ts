/** What controller and agent say to each other: values of the model, one JSON object a line, never nft text. */
import { z } from 'zod'
import type { Effect, Fate } from '../compile/fates.ts'
import type { Bans } from '../model/bans.ts'
import type { HealthSummary } from '../model/condition.ts'
import type { Containers } from '../model/container.ts'
import { forwardDocument } from '../model/document.ts'
import type { EndpointView } from '../model/endpoints.ts'
import type { Examination } from '../model/examination.ts'
import type { Machine } from '../model/exposure/exposure.ts'
import type { NeighbourView, Obstacle } from '../model/foreign.ts'
import type { Holder } from '../model/holder.ts'
import type { Listener } from '../model/listeners.ts'
import type { Others } from '../model/others.ts'
import type { PortRange } from '../model/ports.ts'
import type { ProblemDetails } from '../model/problem.ts'
import type { Reach } from '../model/reach.ts'
import type { Session } from '../model/session.ts'
import type { Proof, Trace } from '../model/trace.ts'
import type { Repairs } from './healing.ts'
import type { Turns } from './health/turns.ts'
import type { Place } from './witness.ts'

const generation = z.int().min(0)
/** A member of a pool has a number of its own: that of the forward, and one byte more. */
const mostNumber = 0xffffff

const digest = z.string().regex(/^[0-9a-f]{64}$/)

const whereabouts = z.strictObject({
  name: z.string(),
  at: z.array(
    z.strictObject({
      address: z.string(),
      port: z.int().min(1).max(65535).optional(),
      weight: z.int().min(1).max(65535).optional(),
    }),
  ),
})

/**
 * Makes the kernel hold a generation. With `base` the message has only what changed since that generation; without, it
 * is the whole gateway.
 */
const putMessage = z.strictObject({
  verb: z.literal('put'),
  generation,
  /** False while the generation waits for its confirmation: then the boot file stays at the last confirmed one. */
  kept: z.boolean(),
  base: generation.nullable(),
  /** The kernel may hold a later generation, of another store: somebody has said that it is to give way. */
  meant: z.boolean().optional(),
  mark: z.string(),
  /** Every forward is kept shut, and its connections are ended. */
  locked: z.boolean(),
  lists: z.array(z.strictObject({ name: z.string(), entries: z.array(z.string()) })),
  removedLists: z.array(z.string()),
  forwards: z.array(z.strictObject({ number: z.int().min(1).max(mostNumber), forward: forwardDocument })),
  removed: z.array(z.string()),
  /** What names that the forwards have as targets stand for now. */
  located: z.array(whereabouts).optional(),
  /**
   * Forwards that gave up their opening in the newest changes, as they were, newest first; with the whole gateway only. An
   * agent that starts learns from them what is to become of the connections that it finds.
   */
  closed: z.array(forwardDocument),
})

const listener = z.strictObject({
  protocol: z.enum(['tcp', 'udp']),
  address: z.string(),
  port: z.int(),
  uid: z.int(),
})

/** What a change would do to the connections there are. `own`: the clients' ends of those that may be the asker's own. */
const weighMessage = z.strictObject({
  verb: z.literal('weigh'),
  change: putMessage,
  own: z.array(z.strictObject({ address: z.string(), port: z.int() })),
})

export const agentMessage = z.discriminatedUnion('verb', [
  putMessage,
  weighMessage,
  /** Observed facts of the machine. */
  z.strictObject({ verb: z.literal('facts') }),
  /** What listens on this machine. */
  z.strictObject({ verb: z.literal('listeners') }),
  /** All by which it can be told what the outside reaches on this machine. */
  z.strictObject({ verb: z.literal('exposed') }),
  /** Destination NAT of other programs. */
  z.strictObject({ verb: z.literal('others') }),
  /** Whom other programs have banned, in these families. */
  z.strictObject({ verb: z.literal('bans'), families: z.array(z.literal([4, 6])) }),
  /** Whom a program has banned that says so to the controller, and no others where it is `whole`; `lasts` in milliseconds. */
  z.strictObject({
    verb: z.literal('ban'),
    by: z.string().max(100),
    whole: z.boolean(),
    added: z.array(z.strictObject({ address: z.string(), lasts: z.int().min(0) })),
    removed: z.array(z.string()),
  }),
  /** What host names and service records stand for now; nothing any more where there is no address. */
  z.strictObject({ verb: z.literal('locate'), located: z.array(whereabouts) }),
  /** What neighbours say about services of this machine that they are to admit, when all have been asked. */
  z.strictObject({ verb: z.literal('admitted') }),
  /** Who holds these listening sockets, in their order. */
  z.strictObject({ verb: z.literal('holders'), listeners: z.array(listener).max(20) }),
  /** What the targets of a forward are now. */
  z.strictObject({ verb: z.literal('endpoints'), name: z.string() }),
  /** What the checks of targets have found. */
  z.strictObject({ verb: z.literal('health') }),
  /** Which targets have turned, after number `after` of what this agent (or another one, by its epoch) has counted. */
  z.strictObject({ verb: z.literal('turns'), epoch: z.string().max(100), after: z.int().min(0) }),
  /** The containers of this machine. */
  z.strictObject({ verb: z.literal('containers') }),
  /** Whether the targets of these forwards answer. */
  z.strictObject({ verb: z.literal('probe'), names: z.array(z.string()).max(20) }),
  /** Sends a probe to an opening of a forward, and says what became of it. */
  z.strictObject({
    verb: z.literal('trace'),
    name: z.string(),
    /** Left out: somebody whom the forward admits. */
    from: z.string().max(100).optional(),
    protocol: z.enum(['tcp', 'udp']).optional(),
    port: z.int().min(1).max(65535).optional(),
    size: z.int().optional(),
  }),
  /** The same to some of these forwards, from somebody whom each admits. */
  z.strictObject({ verb: z.literal('prove'), names: z.array(z.string()).max(20) }),
  /** All that can be measured about one forward, and about one client of it where that is named. */
  z.strictObject({ verb: z.literal('examine'), name: z.string(), client: z.string().max(45).nullable() }),
  /** Who has a TCP connection to one of these ports of this machine. */
  z.strictObject({ verb: z.literal('sessions'), ports: z.array(z.int().min(1).max(65535)).max(100) }),
  /** Connections, refusals and limit drops of all forwards, or of those numbered. */
  z.strictObject({ verb: z.literal('counts'), numbers: z.array(z.int()).nullable() }),
  /** Shows how the audit log goes on after an entry that the agent knows. */
  z.strictObject({
    verb: z.literal('witness'),
    base: z.strictObject({ entry: z.int().min(0), hash: digest }),
    digests: z.array(digest).max(1000),
  }),
  /** Removes every trace of Drawbridge from the kernel. */
  z.strictObject({ verb: z.literal('clear') }),
])

export type AgentMessage = z.infer<typeof agentMessage>
export type PutMessage = z.infer<typeof putMessage>

export type LocateMessage = z.infer<typeof agentMessage> & { readonly verb: 'locate' }
export type BanMessage = z.infer<typeof agentMessage> & { readonly verb: 'ban' }
export type WeighMessage = z.infer<typeof weighMessage>

export interface WeighAnswer {
  readonly effects: readonly Effect[]
  /** What becomes of the asker's own connection, or of one that may be it; null: nothing. */
  readonly own: Fate | null
}

export interface PutAnswer {
  /** `whole-wanted`: the agent does not hold `base`; send everything. */
  readonly outcome: 'already-so' | 'written' | 'whole-wanted'
  /** Connections that contradicted the new state and were ended. */
  readonly ended: number
}

export interface FactsAnswer {
  readonly addresses: readonly string[]
  /** Ports that the kernel takes for this machine's own connections. */
  readonly ephemeral: readonly PortRange[]
  /** The generation in the kernel, or null while the agent does not know. */
  readonly holds: number | null
  /** How often the table had to be made whole again, and after whom. */
  readonly repairs: Repairs
  /** Why the last state could not be written for the next boot; '' when it could. */
  readonly bootTrouble: string
  /** Other software that writes firewall rules here, and what it does with our connections. */
  readonly neighbours: readonly NeighbourView[]
  /** What else of this machine is in the way of forwards. */
  readonly obstacles: readonly Obstacle[]
}

export interface Admitted {
  /** Every neighbour has been asked for all of it. */
  readonly over: boolean
  readonly obstacles: readonly Obstacle[]
}

export interface Counted {
  readonly number: number
  readonly connections: number
  readonly refused: number
  readonly limited: number
}

export interface AnswerOf {
  readonly put: PutAnswer
  /** Null: the agent does not hold the generation that the change was made on. */
  readonly weigh: WeighAnswer | null
  readonly facts: FactsAnswer
  readonly listeners: readonly Listener[]
  readonly exposed: Machine
  readonly others: Others
  readonly bans: Bans
  /** `whole-wanted`: the agent does not know what was before. */
  readonly ban: { readonly outcome: 'taken' | 'whole-wanted' }
  readonly locate: Record<never, never>
  readonly admitted: Admitted
  readonly holders: readonly Holder[]
  readonly endpoints: readonly EndpointView[]
  readonly health: HealthSummary
  readonly turns: Turns
  readonly containers: Containers
  readonly probe: readonly Reach[]
  readonly trace: Trace
  readonly prove: readonly Proof[]
  /** Null: no such forward is held. */
  readonly examine: Examination | null
  readonly sessions: readonly Session[]
  readonly counts: readonly Counted[]
  /** The newest entry that the agent has seen; another one than that which it was shown when it knows another log. */
  readonly witness: Place
  readonly clear: Record<never, never>
}

export type Reply<Verb extends keyof AnswerOf> =
  | { readonly id: number; readonly answer: AnswerOf[Verb] }
  | { readonly id: number; readonly problem: ProblemDetails }
