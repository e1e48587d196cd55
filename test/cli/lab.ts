/** The client as a whole against a real HTTP server on a Unix socket, which records what it was asked. */

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { onTestFinished } from 'vitest'
import type { Changed, ForwardView, Plan, PlanLine, Status } from '../../src/api/shapes.ts'
import { run } from '../../src/cli/program.ts'
import type { World } from '../../src/cli/world.ts'
import { noBans } from '../../src/model/bans.ts'
import { nothingChecked } from '../../src/model/condition.ts'
import { Problem } from '../../src/model/problem.ts'

export interface Asked {
  readonly method: string
  readonly path: string
  readonly body: unknown
  readonly headers: IncomingHttpHeaders
}

export interface ApiServer {
  readonly state: string
  readonly socket: string
  readonly asked: Asked[]
  readonly stop: () => void
}

/** Gives the answer to one request: a value, a thrown Problem, or a text to send as it is. */
export type Answers = (asked: Asked, server: ApiServer) => unknown

export async function startApi(answers: Answers): Promise<ApiServer> {
  const state = stateDirectory()
  const socket = join(state, 'run', 'api', 'api.sock')
  const server = createServer(async (request, response) => {
    const { method = '', url: path = '', headers } = request
    const written = await text(request)
    const asked = { method, path, headers, body: written === '' ? undefined : JSON.parse(written) }
    api.asked.push(asked)
    const [status, answer] = answerOf(() => answers(asked, api))
    response.writeHead(status, { 'content-type': 'application/json' })
    response.end(typeof answer === 'string' ? answer : JSON.stringify(answer))
  })
  const api: ApiServer = { state, socket, asked: [], stop: () => server.close() }
  await new Promise<void>((resolve) => server.listen(socket, resolve))
  onTestFinished(() => {
    server.close()
  })
  return api
}

function answerOf(make: () => unknown): [number, unknown] {
  try {
    return [200, make()]
  } catch (error) {
    if (error instanceof Problem) return [error.status, error.details()]
    throw error
  }
}

export function stateDirectory(): string {
  const state = mkdtempSync(join(tmpdir(), 'drawbridge-cli-'))
  mkdirSync(join(state, 'run', 'api'), { recursive: true })
  onTestFinished(() => rmSync(state, { recursive: true, force: true }))
  return state
}

export interface Ran {
  readonly code: number
  readonly out: string
  readonly err: string
}

export const noon = Date.parse('2026-11-24T12:00:00Z')

/** Runs one command line in a world of its own. */
export async function runIn(state: string, argv: readonly string[], own: Partial<World> = {}): Promise<Ran> {
  let out = ''
  let err = ''
  const terminal = {
    out: (said: string) => {
      out += said
      return true
    },
    err: (said: string) => {
      err += said
    },
    width: 80,
    colour: false,
    ...own.terminal,
  }
  const world: World = {
    env: { DRAWBRIDGE_STATE: state },
    stdin: nothing(),
    now: () => noon,
    version: '1.2.3',
    up: () => Promise.reject(new Error('up was not expected')),
    clearKernel: () => Promise.reject(new Error('clearKernel was not expected')),
    ...own,
    terminal,
  }
  const code = await run(argv, world)
  return { code, out, err }
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

export async function* typed(written: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(written)
}

export const webSentence = 'tcp/8080 on any address -> 10.0.0.5:80, from anywhere, client address kept'

export function view(own: Partial<ForwardView> = {}): ForwardView {
  return {
    name: 'web',
    forward: { name: 'web', listen: 'tcp/8080', to: '10.0.0.5:80' },
    sentence: webSentence,
    state: 'on',
    connections: 0,
    refused: 0,
    limited: 0,
    down: 0,
    names: [],
    ...own,
  }
}

export function line(own: Partial<PlanLine> = {}): PlanLine {
  return { verb: 'add', what: 'forward', name: 'web', sentence: webSentence, ...own }
}

/** What a plan is where nothing stands against it. */
export function plan(lines: readonly PlanLine[], own: Partial<Plan> = {}): Plan {
  const none = { more: 0, nft: '', conflicts: [], warnings: [], flows: [], confirm: [], names: [] }
  return { based: 7, lines, ...none, ...own }
}

export function changed(lines: readonly PlanLine[], own: Partial<Changed> = {}): Changed {
  return {
    changed: lines.length > 0,
    generation: 8,
    plan: plan(lines),
    warnings: [],
    reached: [],
    proven: [],
    pending: null,
    ...own,
  }
}

export function status(own: Partial<Status> = {}): Status {
  return {
    ready: true,
    generation: 7,
    kernel: 7,
    agent: 'up',
    forwards: 3,
    problem: null,
    repairs: null,
    pending: null,
    conflicts: [],
    neighbours: [],
    bans: noBans,
    health: nothingChecked,
    names: { count: 0, troubled: [], more: 0 },
    locked: false,
    version: '1.2.3',
    ...own,
  }
}
