/** The API over its Unix socket, for the command line and for whoever starts Drawbridge. */
import { request } from 'node:http'
import { text } from 'node:stream/consumers'
import { Problem, type ProblemDetails } from '../model/problem.ts'
import type { Trace } from '../model/trace.ts'
import { whoAsks } from './asker.ts'
import type {
  ApplyRequest,
  AuditPage,
  Changed,
  Difference,
  DrainRequest,
  EnableRequest,
  ExposurePage,
  ForwardList,
  ForwardView,
  GatewayView,
  HistoryEntry,
  LockdownRequest,
  LogView,
  NamesRequest,
  OpenRequest,
  Plan,
  RollbackRequest,
  Status,
  TraceRequest,
} from './shapes.ts'
import type { Complaint, DoctorPage, DoctorRequest, Mended } from './shapes-doctor.ts'

export interface AuditQuery {
  /** The entry after which the page begins. */
  readonly after?: number | undefined
  readonly most?: number | undefined
  /** Only what was made after this generation. */
  readonly generation?: number | undefined
  /** Instants: only what was made at or after the one and before the other. */
  readonly since?: string | undefined
  readonly until?: string | undefined
}

/** Every method throws a Problem: the server's own, or `controller-away` when there is no answer. */
export interface Client {
  /** Answers when the kernel is in step, or after `waitSeconds` at the latest. */
  readonly status: (waitSeconds: number) => Promise<Status>
  readonly forwards: () => Promise<ForwardList>
  /** `name` is a name or an opening such as `tcp/8080`. */
  readonly forward: (name: string) => Promise<ForwardView>
  readonly open: (wanted: OpenRequest) => Promise<Changed>
  readonly close: (wanted: NamesRequest) => Promise<Changed>
  readonly enable: (wanted: EnableRequest) => Promise<Changed>
  readonly disable: (wanted: NamesRequest) => Promise<Changed>
  /** Has targets given no new connection, or some again. */
  readonly drain: (wanted: DrainRequest) => Promise<Changed>
  readonly gateway: () => Promise<GatewayView>
  /** Everything on the machine that the outside can reach, or of these forwards alone whether it reaches them. */
  readonly exposure: (names?: readonly string[]) => Promise<ExposurePage>
  /** Sends a probe and tells its way. */
  readonly trace: (wanted: TraceRequest) => Promise<Trace>
  /** Why forwards do not work: one by name or opening, or all. */
  readonly doctor: (wanted: Complaint) => Promise<DoctorPage>
  /** The same, and what is Drawbridge's to mend is mended. */
  readonly mend: (wanted: DoctorRequest) => Promise<Mended>
  readonly plan: (wanted: ApplyRequest) => Promise<Plan>
  readonly apply: (wanted: ApplyRequest) => Promise<Changed>
  /** One page of the audit log: after an entry, or the first one of what is wanted. */
  readonly audit: (wanted: AuditQuery) => Promise<AuditPage>
  /** Moves all but the newest `keep` entries of the audit log to archives. */
  readonly rotate: (keep: number) => Promise<LogView>
  readonly history: (after: number, most: number) => Promise<readonly HistoryEntry[]>
  readonly difference: (from: number, to: number) => Promise<Difference>
  readonly rollback: (wanted: RollbackRequest) => Promise<Changed>
  /** Keeps every forward shut, or lifts that again. */
  readonly lockdown: (wanted: LockdownRequest) => Promise<Changed>
  /** Has the kernel take this store, though it holds a later generation of another one. */
  readonly accept: () => Promise<{ readonly generation: number }>
  /** Keeps the change that waits for its confirmation. */
  readonly confirm: () => Promise<{ readonly generation: number }>
  /** Stops the controller; `all` removes every trace from the kernel first. */
  readonly down: (all: boolean) => Promise<{ readonly cleared: boolean }>
}

export function connect(socketPath: string): Client {
  const ask = <T>(method: string, path: string, body?: unknown, waitSeconds = 0): Promise<T> =>
    answerOf<T>({ socketPath, method, path: `/api/v1${path}`, body, waitSeconds })
  return {
    status: (waitSeconds) => ask('GET', `/status?wait=${waitSeconds}`, undefined, waitSeconds),
    forwards: () => ask('GET', '/forwards'),
    forward: (name) => ask('GET', `/forwards/${encodeURIComponent(name)}`),
    open: (wanted) => ask('POST', '/forwards', wanted),
    close: (wanted) => ask('POST', '/close', wanted),
    enable: (wanted) => ask('POST', '/enable', wanted),
    disable: (wanted) => ask('POST', '/disable', wanted),
    drain: (wanted) => ask('POST', '/drain', wanted),
    gateway: () => ask('GET', '/gateway'),
    exposure: (names = []) => ask('GET', `/exposure${queryOf({ name: names })}`),
    trace: (wanted) => ask('POST', '/trace', wanted),
    doctor: (wanted) => ask('GET', `/doctor${queryOf({ ...wanted })}`),
    mend: (wanted) => ask('POST', '/doctor', wanted),
    plan: (wanted) => ask('POST', '/plan', wanted),
    apply: (wanted) => ask('POST', '/apply', wanted),
    audit: (wanted) => ask('GET', `/audit${queryOf({ ...wanted })}`),
    rotate: (keep) => ask('POST', '/audit/rotate', { keep }),
    history: (after, most) => ask('GET', `/history?after=${after}&most=${most}`),
    difference: (from, to) => ask('GET', `/diff?from=${from}&to=${to}`),
    rollback: (wanted) => ask('POST', '/rollback', wanted),
    lockdown: (wanted) => ask('POST', '/lockdown', wanted),
    accept: () => ask('POST', '/accept', {}),
    confirm: () => ask('POST', '/confirm', {}),
    down: (all) => ask('POST', '/down', { all }),
  }
}

type QueryValue = string | number | undefined

/** `?a=1&b=2&b=3` of what is there. */
function queryOf(values: Readonly<Record<string, QueryValue | readonly QueryValue[]>>): string {
  const given = new URLSearchParams()
  for (const [key, some] of Object.entries(values))
    for (const value of [some].flat()) if (value !== undefined) given.append(key, String(value))
  return given.size === 0 ? '' : `?${given}`
}

interface Question {
  readonly socketPath: string
  readonly method: string
  readonly path: string
  readonly body: unknown
  readonly waitSeconds: number
}

/** The server gives up on the kernel after 30 s; this is for a server that hangs. */
const patienceSeconds = 120

async function answerOf<T>(question: Question): Promise<T> {
  const away = (why: string, cause?: unknown) =>
    Problem.of('controller-away', { socket: question.socketPath, why }, cause)
  const answer = await send(question).catch((error: NodeJS.ErrnoException) => {
    throw away(whyAway(error), error)
  })
  const value = parse(answer.text)
  if (answer.status < 400 && value !== undefined) return value as T
  if (isProblem(value)) throw Problem.from(value)
  throw away(`it answers ${answer.status} in another language; is this Drawbridge's socket?`)
}

interface Answer {
  readonly status: number
  readonly text: string
}

/** Each request has its own connection: a kept one would hold up a server that wants to stop. */
function send({ socketPath, method, path, body, waitSeconds }: Question): Promise<Answer> {
  const written = body === undefined ? undefined : Buffer.from(JSON.stringify(body))
  const sized = written && { 'content-type': 'application/json', 'content-length': written.length }
  const timeout = (patienceSeconds + waitSeconds) * 1000
  return new Promise((resolve, reject) => {
    const options = { socketPath, method, path, agent: false, timeout, headers: { ...whoAsks(), ...sized } }
    const asked = request(options, (response) => {
      const { statusCode: status = 0 } = response
      text(response).then((read) => resolve({ status, text: read }), reject)
    })
    asked.on('timeout', () => asked.destroy(new Error(`no answer in ${timeout / 1000} s`)))
    asked.on('error', reject)
    asked.end(written)
  })
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such socket',
  ENOTDIR: 'there is no such socket',
  ECONNREFUSED: 'nobody listens there any more',
  EACCES: 'permission denied; only root may use it',
  EPERM: 'permission denied; only root may use it',
  EINVAL: 'the path is too long for a socket',
  ENAMETOOLONG: 'the path is too long for a socket',
  ECONNRESET: 'it hung up before it answered',
  EPIPE: 'it hung up before it answered',
}

function whyAway({ code = '', message }: NodeJS.ErrnoException): string {
  return reasons[code] ?? message
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function isProblem(value: unknown): value is ProblemDetails {
  if (typeof value !== 'object' || value === null) return false
  const { code, status, title, remedy } = value as Partial<ProblemDetails>
  return [code, title, remedy].every((one) => typeof one === 'string') && typeof status === 'number'
}
