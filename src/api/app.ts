/** The one door: routes over the gateway service. Builds an app, never listens. */
import type { Socket } from 'node:net'
import Fastify, { type FastifyInstance, type FastifyRequest } from 'fastify'
import { z } from 'zod'
import { readAddress } from '../model/address.ts'
import { forwardDocument, readDocument } from '../model/document.ts'
import { Problem } from '../model/problem.ts'
import { parseNote } from '../model/text.ts'
import { type Asking, type GatewayService, type Parts, pendingView, type Session } from './gateway.ts'
import type { GatewayReader } from './reading.ts'
import type { Repairs, Status } from './shapes.ts'

export interface AppParts extends Parts {
  readonly service: GatewayService
  readonly reader: GatewayReader
  readonly version: string
  /** Called after the answer to `down` has been sent. */
  readonly stop: () => void
}

/** A gateway of 64,000 forwards is some 10 MB. */
const bodyLimit = 64 * 1024 * 1024

/** What every change can be asked with. */
const trial = {
  based: z.int().optional(),
  dry_run: z.boolean().optional(),
  confirm: z.int().min(1).max(86400).optional(),
}

const wishes = {
  ...trial,
  privileged: z.boolean().optional(),
  take_over: z.boolean().optional(),
  note: z.string().optional(),
}

const openRequest = z.strictObject({ forward: z.union([z.string(), forwardDocument]), ...wishes })
const applyRequest = z.strictObject({ gateway: z.unknown(), prune: z.boolean().optional(), ...wishes })
const rollbackRequest = z.strictObject({ to: z.int().optional(), ...trial })

const named = z.strictObject({ name: z.string().max(2000) })
const generationText = z.string().regex(/^\d{1,15}$/)
const diffQuery = z.strictObject({ from: generationText, to: generationText })
const lockdownRequest = z.strictObject({ lift: z.boolean() })
const downRequest = z.strictObject({ all: z.boolean() })

export function buildApp(parts: AppParts): FastifyInstance {
  const app = Fastify({ bodyLimit, logger: false, routerOptions: { maxParamLength: 2000 } })
  app.server.on('connection', (socket) => connections.set(socket, performance.now()))
  app.setErrorHandler((error, _request, reply) => {
    const problem = asProblem(error)
    void reply.status(problem.status).type('application/problem+json').send(problem.details())
  })
  app.setNotFoundHandler((request) => {
    throw Problem.of('no-such-route', { method: request.method, path: request.url.slice(0, 100) })
  })
  readingRoutes(app, parts)
  changingRoutes(app, parts)
  return app
}

/**
 * Loads what Fastify loads only when it is first needed. Afterwards the process may lose the right to read its own
 * sources, as the controller does when they lie in a directory of root.
 */
export async function loadAll(): Promise<void> {
  const app = Fastify({ logger: false })
  app.get('/', async () => ({}))
  app.post('/', async () => {
    throw new Error('for the error handler')
  })
  await app.ready()
  await app.inject('/')
  await app.inject({ method: 'POST', url: '/', payload: {} })
  await app.inject('/nowhere')
  await app.close()
}

/** When each connection was made, by a clock that nobody sets. */
const connections = new WeakMap<Socket, number>()

function connectedAt(request: FastifyRequest): number {
  return connections.get(request.raw.socket) ?? 0
}

function readingRoutes(app: FastifyInstance, parts: AppParts): void {
  const { reader } = parts
  app.get('/api/v1/status', async (request) => {
    const { wait = '0' } = request.query as { wait?: string }
    return status(parts, Math.min(Math.max(Number(wait) || 0, 0), 600))
  })
  app.get('/api/v1/forwards', () => reader.list())
  app.get('/api/v1/forwards/:name', (request) => reader.show(nameOf(request)))
  app.get('/api/v1/gateway', async () => reader.written())
  app.get('/api/v1/history', async (request) => {
    const { most = '50', after = '0' } = request.query as { most?: string; after?: string }
    return reader.history(Number(after) || 0, Math.min(Math.max(Number(most) || 50, 1), 1000))
  })
  app.get('/api/v1/audit/verify', async () => reader.verify())
  app.get('/api/v1/diff', async (request) => {
    const { from, to } = readDocument(diffQuery, '', request.query)
    return reader.difference(Number(from), Number(to))
  })
}

function changingRoutes(app: FastifyInstance, { service, stop }: AppParts): void {
  app.post('/api/v1/forwards', (request) => {
    const body = readDocument(openRequest, '', fieldsNamed(request.body))
    return service.open(body, asking(request, body))
  })
  app.delete('/api/v1/forwards/:name', (request) => service.close(nameOf(request), asking(request)))
  app.post('/api/v1/forwards/:name/enable', (request) =>
    service.switch(nameOf(request), true, asking(request)),
  )
  app.post('/api/v1/forwards/:name/disable', (request) =>
    service.switch(nameOf(request), false, asking(request)),
  )
  app.post('/api/v1/plan', (request) => {
    const body = readDocument(applyRequest, '', request.body)
    return service.plan(body, asking(request, body))
  })
  app.post('/api/v1/apply', (request) => {
    const body = readDocument(applyRequest, '', request.body)
    return service.apply(body, asking(request, body))
  })
  app.post('/api/v1/rollback', (request) => {
    const body = readDocument(rollbackRequest, '', request.body ?? {})
    return service.rollback(body.to, asking(request, body))
  })
  app.post('/api/v1/lockdown', (request) => {
    const { lift } = readDocument(lockdownRequest, '', request.body)
    return service.lockdown(lift, asking(request))
  })
  app.post('/api/v1/confirm', async (request) => service.confirm(connectedAt(request)))
  app.post('/api/v1/down', async (request, reply) => {
    const { all } = readDocument(downRequest, '', request.body)
    if (all) await service.clear()
    reply.raw.once('close', stop)
    return { cleared: all }
  })
}

/** The forward of a request is checked by the model itself, whose problems name its fields without a prefix. */
function fieldsNamed(body: unknown): unknown {
  const { forward } = (body ?? {}) as { forward?: unknown }
  if (forward !== null && typeof forward === 'object') readDocument(forwardDocument, '', forward)
  return body
}

function nameOf(request: FastifyRequest): string {
  return readDocument(named, '', request.params).name
}

interface Wishes {
  readonly dry_run?: boolean | undefined
  readonly based?: number | undefined
  readonly privileged?: boolean | undefined
  readonly take_over?: boolean | undefined
  readonly note?: string | undefined
  readonly confirm?: number | undefined
}

function asking(
  request: FastifyRequest,
  { dry_run, based, privileged, take_over, note, confirm }: Wishes = {},
): Asking {
  const { dry_run: asked } = request.query as { dry_run?: string }
  return {
    actor: actorOf(request),
    from: sessionOf(request),
    dryRun: dry_run === true || asked === '1',
    based,
    privileged,
    takeOver: take_over,
    confirm,
    note: note === undefined ? undefined : parseNote('note', note),
  }
}

/** Only root and the controller's own user can open the socket, so the name they give is taken as it is. */
function actorOf(request: FastifyRequest): string {
  const name = request.headers['x-drawbridge-user']
  return typeof name === 'string' && /^[A-Za-z0-9._-]{1,64}$/.test(name) ? name : 'unknown'
}

/** The SSH session that the command was typed in, as the client says it: see asker.ts. */
function sessionOf(request: FastifyRequest): Session | undefined {
  const told = request.headers['x-drawbridge-from']
  const [from = '', port, to = '', toPort] = typeof told === 'string' ? told.split(' ') : []
  const [client, server] = [readAddress(from), readAddress(to)]
  if (!client || !server) return undefined
  return { client, clientPort: Number(port), server, serverPort: Number(toPort) }
}

async function status(
  { store, runner, agent, reader, version }: AppParts,
  waitSeconds: number,
): Promise<Status> {
  if (waitSeconds > 0) await runner.reached(store.generation, waitSeconds * 1000).catch(() => {})
  const facts = await agent.ask({ verb: 'facts' }).catch(() => undefined)
  const bootTrouble = facts?.bootTrouble ? Problem.of('boot-file', { words: facts.bootTrouble }) : null
  const problem = (facts && besieged(facts.repairs)) ?? runner.problem ?? bootTrouble
  return {
    ready: runner.holds === store.generation && facts?.holds === store.generation && !facts.repairs.refused,
    generation: store.generation,
    kernel: runner.holds,
    agent: facts ? 'up' : 'away',
    repairs: facts?.repairs ?? null,
    forwards: store.register.forwards.size,
    problem: problem?.details() ?? null,
    pending: pendingView(store),
    conflicts: facts ? await reader.conflicts() : [],
    locked: store.register.settings.locked,
    version,
  }
}

/** What keeps the table from being as it should. */
function besieged({ count, last, fighting, refused }: Repairs): Problem | undefined {
  if (refused) return Problem.of('repair-refused', { words: refused })
  if (!fighting) return undefined
  return Problem.of('fought-over', { count, by: last ? `${last.by} (process ${last.pid})` : 'unknown' })
}

function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error
  const { statusCode, message } = error as { statusCode?: number; message: string }
  if (statusCode && statusCode < 500) return Problem.of('bad-request', { why: message.slice(0, 200) }, error)
  return Problem.of('went-wrong', { why: message }, error)
}
