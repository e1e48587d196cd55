/** One question about one name, put to the servers in turn. c-ares asks: UDP, and TCP where the answer was cut short. */
import { Resolver } from 'node:dns/promises'
import type { Trouble } from '../../model/naming.ts'
import type { Sources } from './sources.ts'

interface Found {
  readonly address: string
  /** In seconds; of a name behind aliases the shortest on the way. */
  readonly ttl: number
}

export interface Service {
  readonly name: string
  readonly port: number
  readonly priority: number
  readonly weight: number
}

/** What was said, by whom. Records as they came: nothing of them has been checked. */
export type Reply<T> = { readonly server: string } & (
  | { readonly kind: 'records'; readonly records: readonly T[] }
  | ({ readonly kind: 'trouble' } & { readonly trouble: Trouble })
)

/** Of a name both families, each with its own reply; of an SRV name its services. */
export type Answer =
  | { readonly kind: 'addresses'; readonly four: Reply<Found>; readonly six: Reply<Found> }
  | { readonly kind: 'services'; readonly services: Reply<Service> }

/** `app.example.org`, or `srv:_http._tcp.example.org`. */
export type AskName = (name: string) => Promise<Answer>

/** In milliseconds. A lost datagram is sent again once, and the answer to the first is still taken; 3 s in all. */
const patience = { timeout: 1000, tries: 2 } as const
/** A server that was silent is asked last for so long, so that one dead server does not delay every name. */
const silentFor = 30_000
/** Longer chains of aliases are taken for a circle (unbound follows 11, BIND 16). */
const mostAliases = 16
/** /etc/hosts costs nothing to look at, so its word counts for as short as any. */
const hostsTtl = 0

export function asker(sources: () => Sources): AskName {
  const silent = new Map<string, number>()
  const inOrder = (servers: readonly string[]) => {
    const isSilent = (server: string) => (silent.get(server) ?? 0) > performance.now()
    return [...servers.filter((one) => !isSilent(one)), ...servers.filter(isSilent)]
  }

  /** The next server is asked only where this one could not tell. */
  const ask = async <T>(question: (resolver: Resolver) => Promise<T[]>): Promise<Reply<T>> => {
    let reply: Reply<T> = troubled('', 'failed', 'there is no server')
    for (const server of inOrder(sources().servers)) {
      reply = await askOne(server, question)
      if (!isFailure(reply)) return reply
      if (isSilence(reply.trouble)) silent.set(server, performance.now() + silentFor)
    }
    return reply
  }

  const askAddresses = async (name: string): Promise<Answer> => {
    const hosts = fromHosts(sources(), name)
    if (hosts) return hosts
    let answer: Answer | undefined
    for (const full of candidates(sources(), name)) {
      const [four, six] = await Promise.all([
        ask((resolver) => resolver.resolve4(full, { ttl: true })),
        ask((resolver) => resolver.resolve6(full, { ttl: true })),
      ])
      answer = { kind: 'addresses', four: await explained(ask, four, full), six }
      // Where a server could not tell, the next domain might have another machine of that name.
      if ([four, six].some((one) => one.kind === 'records' || isFailure(one))) break
    }
    return answer as Answer
  }

  return async (name) => {
    if (!name.startsWith('srv:')) return askAddresses(name)
    return { kind: 'services', services: await ask((resolver) => resolver.resolveSrv(name.slice(4))) }
  }
}

/** A resolver for each question takes a new port, which whoever forges an answer has to guess (RFC 5452). */
async function askOne<T>(server: string, question: (resolver: Resolver) => Promise<T[]>): Promise<Reply<T>> {
  const resolver = new Resolver(patience)
  try {
    resolver.setServers([server])
    return { server, kind: 'records', records: await question(resolver) }
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException
    if (code === 'ENOTFOUND') return troubled(server, 'gone', '')
    if (code === 'ENODATA') return troubled(server, 'none', '')
    return troubled(server, 'failed', `${failures[code] ?? message} from ${server}`)
  }
}

const failures: Readonly<Record<string, string>> = {
  ETIMEOUT: 'silence',
  ECONNREFUSED: 'connection refused',
  ESERVFAIL: 'SERVFAIL',
  EREFUSED: 'REFUSED',
  EFORMERR: 'FORMERR',
  ENOTIMP: 'NOTIMP',
  EBADRESP: 'an answer that cannot be read',
}

function isSilence({ detail }: Trouble): boolean {
  return detail.startsWith('silence') || detail.startsWith('connection refused')
}

function isFailure<T>(reply: Reply<T>): reply is Reply<T> & { kind: 'trouble' } {
  return reply.kind === 'trouble' && reply.trouble.kind === 'failed'
}

function troubled(server: string, kind: Trouble['kind'], detail: string) {
  return { server, kind: 'trouble', trouble: { kind, detail } } as const
}

/** As for the C library, who stands in /etc/hosts is not asked for elsewhere. */
function fromHosts({ hosts }: Sources, name: string): Answer | undefined {
  const found = hosts.get(name)
  if (!found) return undefined
  const [four, six] = ([4, 6] as const).map((wanted): Reply<Found> => {
    const records = found.filter(({ family }) => family === wanted)
    if (records.length === 0) return troubled('/etc/hosts', 'none', '')
    const told = records.map(({ text }) => ({ address: text, ttl: hostsTtl }))
    return { server: '/etc/hosts', kind: 'records', records: told }
  }) as [Reply<Found>, Reply<Found>]
  return { kind: 'addresses', four, six }
}

/** A name with a dot is complete. One without is tried in each search domain, and at last as it is. */
function candidates({ search }: Sources, name: string): readonly string[] {
  return name.includes('.') ? [name] : [...search.map((domain) => `${name}.${domain}`), name]
}

/** An answer of aliases alone is told by where they lead. */
async function explained(
  ask: <T>(question: (resolver: Resolver) => Promise<T[]>) => Promise<Reply<T>>,
  reply: Reply<Found>,
  name: string,
): Promise<Reply<Found>> {
  if (reply.kind === 'trouble' || reply.records.length > 0) return reply
  const way = [name]
  for (;;) {
    const from = way.at(-1) ?? name
    const alias = await ask((resolver) => resolver.resolveCname(from))
    const next = alias.kind === 'records' ? alias.records[0]?.toLowerCase() : undefined
    if (next === undefined) return troubled(reply.server, 'none', '')
    const circle = way.includes(next) || way.length > mostAliases
    way.push(next)
    if (circle) return troubled(reply.server, 'circle', way.join(' -> '))
  }
}
