/** The one door: routes over the gateway service. Builds an app, never listens. */
import type { Socket } from 'node:net'
import Fastify, { type FastifyInstance, type FastifyRequest } from 'fastify'
import { z } from 'zod'
import { noBans } from '../model/bans.ts'
import { forwardDocument, readDocument } from '../model/document.ts'
import { Problem } from '../model/problem.ts'
import { asking } from './asking.ts'
import type { Doctor } from './doctoring.ts'
import type { LookForExposure } from './exposing.ts'
import type { GatewayService, Parts } from './gateway.ts'
import { type GatewayReader, namesView, pendingView } from './reading.ts'
import { besieged } from './repairs.ts'
import type { Status } from './shapes.ts'
import { trace } from './tracing.ts'

export interface AppParts extends Parts {
  readonly service: GatewayService
  readonly reader: GatewayReader
  readonly exposure: LookForExposure
  readonly doctor: Doctor
  readonly version: string
  /** Why something that was to happen by itself did not. */
  readonly late: () => Problem | null
  /** Called after the answer to `down` has been sent. */
  readonly stop: () => void
}

/** A gateway of 64,000 forwards is some 10 MB. */
const bodyLimit = 64 * 1024 * 1024

/** What every change can be asked with. */
const trial = {
  based: z.int().optional(),
  dry_run: z.boolean().optional(),
  confirm: z.int().min(0).max(86400).optional(),
  note: z.string().optional(),
}

const wishes = {
  ...trial,
  privileged: z.boolean().optional(),
  take_over: z.boolean().optional(),
}

const openRequest = z.strictObject({ forward: z.union([z.string(), forwardDocument]), ...wishes })
const applyRequest = z.strictObject({ gateway: z.unknown(), prune: z.boolean().optional(), ...wishes })
const rollbackRequest = z.strictObject({ to: z.int().optional(), ...trial })

const traceRequest = z.strictObject({
  name: z.string().max(2000),
  from: z.string().max(100),
  protocol: z.enum(['tcp', 'udp']).optional(),
  port: z.int().min(1).max(65535).optional(),
  size: z.int().optional(),
})

const named = z.strictObject({ name: z.string().max(2000) })
const generationText = z.string().regex(/^\d{1,15}$/)
/** Forwards by name. */
const exposureQuery = z.strictObject({ name: z.union([z.string(), z.array(z.string()).max(200)]).optional() })
const diffQuery = z.strictObject({ from: generationText, to: generationText })
const historyQuery = z.strictObject({ after: generationText.optional(), most: generationText.optional() })
const instant = z.string().max(40)
const auditQuery = z.strictObject({
  after: generationText.optional(),
  most: generationText.optional(),
  generation: generationText.optional(),
  since: instant.optional(),
  until: instant.optional(),
})
const complaint = { from: z.string().max(45).optional(), symptom: z.string().max(200).optional() }
const doctorQuery = z.strictObject({ name: z.string().max(2000).optional(), ...complaint })
const doctorRequest = z.strictObject({ name: z.string().max(2000), ...complaint, ...trial })
const rotateRequest = z.strictObject({ keep: z.int().min(1) })
const lockdownRequest = z.strictObject({ lift: z.boolean(), ...trial })
const namesRequest = z.strictObject({ names: z.array(z.string().max(2000)).min(1), ...trial })
const enableRequest = namesRequest.extend({ take_over: z.boolean().optional() })
const drainRequest = z.strictObject({
  name: z.string().max(2000),
  targets: z.array(z.string().max(300)).min(1).max(1000),
  drain: z.boolean(),
  ...trial,
})
const downRequest = z.strictObject({ all: z.boolean() })

export function buildApp(parts: AppParts): FastifyInstance {
  const app = Fastify({ bodyLimit, logger: false, routerOptions: { maxParamLength: 2000 } })
  const connectedAt = whenConnected(app)
  app.setErrorHandler((error, _request, reply) => {
    const problem = asProblem(error)
    void reply.status(problem.status).type('application/problem+json').send(problem.details())
  })
  app.setNotFoundHandler((request) => {
    throw Problem.of('no-such-route', { method: request.method, path: request.url.slice(0, 100) })
  })
  readingRoutes(app, parts)
  changingRoutes(app, parts, connectedAt)
  return app
}

/** Answers everything with the reason why nothing can be answered; only stopping works. */
export function buildTroubled(problem: () => Problem, stop: () => void): FastifyInstance {
  const app = Fastify({ logger: false })
  app.setErrorHandler((_error, _request, reply) => {
    void reply.status(problem().status).type('application/problem+json').send(problem().details())
  })
  app.setNotFoundHandler(() => {
    throw problem()
  })
  app.post('/api/v1/down', async (request, reply) => {
    if (readDocument(downRequest, '', request.body).all) throw problem()
    reply.raw.once('close', stop)
    return { cleared: false }
  })
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

/** Tells when the connection of a request was made, by a clock that nobody sets. */
function whenConnected({ server }: FastifyInstance): (request: FastifyRequest) => number {
  const connections = new WeakMap<Socket, number>()
  server.on('connection', (socket) => connections.set(socket, performance.now()))
  return (request) => connections.get(request.raw.socket) ?? 0
}

function readingRoutes(app: FastifyInstance, parts: AppParts): void {
  const { reader, exposure, doctor } = parts
  app.get('/api/v1/status', async (request) => {
    const { wait = '0' } = request.query as { wait?: string }
    return status(parts, Math.min(Math.max(Number(wait) || 0, 0), 600))
  })
  app.get('/api/v1/forwards', () => reader.list())
  app.get('/api/v1/forwards/:name', (request) => reader.show(nameOf(request)))
  app.get('/api/v1/exposure', (request) => {
    const { name = [] } = readDocument(exposureQuery, '', request.query)
    return exposure([name].flat())
  })
  app.post('/api/v1/trace', (request) => trace(parts, readDocument(traceRequest, '', request.body)))
  app.get('/api/v1/doctor', (request) => doctor.look(readDocument(doctorQuery, '', request.query)))
  app.get('/api/v1/gateway', async () => reader.written())
  app.get('/api/v1/history', async (request) => {
    const { most = '50', after = '0' } = readDocument(historyQuery, '', request.query)
    return reader.history(Number(after), Math.min(Math.max(Number(most), 1), 1000))
  })
  app.get('/api/v1/audit', (request) => {
    const { most = '1000', after, generation, since, until } = readDocument(auditQuery, '', request.query)
    const wanted = { generation: Number(generation ?? 0), since, until }
    return reader.audit(
      after === undefined ? after : Number(after),
      Math.min(Math.max(Number(most), 1), 10_000),
      wanted,
    )
  })
  app.get('/api/v1/diff', async (request) => {
    const { from, to } = readDocument(diffQuery, '', request.query)
    return reader.difference(Number(from), Number(to))
  })
}

function changingRoutes(
  app: FastifyInstance,
  { service, doctor, stop }: AppParts,
  connectedAt: (request: FastifyRequest) => number,
): void {
  app.post('/api/v1/forwards', (request) => {
    const body = readDocument(openRequest, '', fieldsNamed(request.body))
    return service.open(body, asking(request, body))
  })
  app.post('/api/v1/close', (request) => {
    const body = readDocument(namesRequest, '', request.body)
    return service.close(body.names, asking(request, body))
  })
  app.post('/api/v1/enable', (request) => {
    const body = readDocument(enableRequest, '', request.body)
    return service.switch(body.names, true, asking(request, body))
  })
  app.post('/api/v1/disable', (request) => {
    const body = readDocument(namesRequest, '', request.body)
    return service.switch(body.names, false, asking(request, body))
  })
  app.post('/api/v1/drain', (request) => {
    const body = readDocument(drainRequest, '', request.body)
    return service.drain(body, asking(request, body))
  })
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
    const body = readDocument(lockdownRequest, '', request.body)
    return service.lockdown(body.lift, asking(request, body))
  })
  app.post('/api/v1/doctor', (request) => {
    const body = readDocument(doctorRequest, '', request.body)
    return doctor.mend(body, asking(request, body))
  })
  app.post('/api/v1/accept', (request) => service.accept(asking(request)))
  app.post('/api/v1/confirm', async (request) => service.confirm(connectedAt(request), asking(request)))
  app.post('/api/v1/audit/rotate', (request) => {
    const { keep } = readDocument(rotateRequest, '', request.body)
    return service.rotate(keep, asking(request))
  })
  app.post('/api/v1/down', async (request, reply) => {
    const { all } = readDocument(downRequest, '', request.body)
    await service.down(all, asking(request))
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

async function status(
  { store, runner, agent, reader, names, version, late }: AppParts,
  waitSeconds: number,
): Promise<Status> {
  if (waitSeconds > 0) await runner.reached(store.generation, waitSeconds * 1000).catch(() => {})
  const facts = await agent.ask({ verb: 'facts' }).catch(() => undefined)
  const bootTrouble = facts?.bootTrouble ? Problem.of('boot-file', { words: facts.bootTrouble }) : null
  const problem = (facts && besieged(facts.repairs)) ?? runner.problem ?? late() ?? bootTrouble
  return {
    ready: runner.holds === store.generation && facts?.holds === store.generation && !facts.repairs.refused,
    generation: store.generation,
    kernel: runner.holds,
    agent: facts ? 'up' : 'away',
    repairs: facts?.repairs ?? null,
    forwards: store.register.forwards.size,
    problem: problem?.details() ?? null,
    pending: pendingView(store),
    conflicts: (facts && (await reader.conflicts())) ?? [],
    neighbours: facts?.neighbours ?? [],
    bans: facts ? await reader.bans([4, 6]) : noBans,
    health: await reader.health(),
    names: namesView(names),
    locked: store.register.settings.locked,
    version,
  }
}

function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error
  const { statusCode, message } = error as { statusCode?: number; message: string }
  if (statusCode && statusCode < 500) return Problem.of('bad-request', { why: message.slice(0, 200) }, error)
  return Problem.of('went-wrong', { why: message }, error)
}
