/** The agent process: opens the door and the socket, and follows the machine. `main.ts --clear` removes every trace. */
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type InTurn, oneAfterTheOther } from '../inturn.ts'
import { openDoor } from '../kernel/door.ts'
import { openForwarding } from '../kernel/forwarding.ts'
import { readHost } from '../kernel/host.ts'
import { holdLock } from '../kernel/lock.ts'
import type { Turned } from '../model/condition.ts'
import { Problem } from '../model/problem.ts'
import { neighbours } from '../neighbours/all.ts'
import { keeperSocket } from '../proxy/protocol.ts'
import { Agent } from './agent.ts'
import { Banning } from './banning.ts'
import { Beside } from './beside.ts'
import { openBootFile } from './boot.ts'
import { Containing } from './containing.ts'
import type { Repair } from './healing.ts'
import { machineClock } from './health/checking.ts'
import { checker } from './health/checks.ts'
import { openRecollection } from './health/recollection.ts'
import { Watching } from './health/watching.ts'
import { callKeeper, proxyKeeperAt } from './keeping.ts'
import type { AgentMessage } from './protocol.ts'
import { Proxying } from './proxying.ts'
import { openRecord } from './record.ts'
import { serve } from './server.ts'
import { journalRepair, journalTurn, spokenRepair, spokenTurn } from './telling.ts'
import { Tracing } from './tracing.ts'
import { openWitness } from './witness.ts'

const { values } = parseArgs({
  options: {
    state: { type: 'string' },
    run: { type: 'string' },
    clear: { type: 'boolean' },
    supervised: { type: 'boolean' },
  },
})
const state = values.state ?? '/var/lib/drawbridge'
const run = values.run ?? '/run/drawbridge'

const own = join(state, 'agent')
mkdirSync(own, { recursive: true, mode: 0o700 })
const door = await openDoor()
const machine = {
  door,
  forwarding: openForwarding(own),
  record: openRecord(own),
  boot: openBootFile(own),
  witness: openWitness(own),
  beside: new Beside(door, neighbours),
  bans: new Banning(door),
  containing: new Containing(),
  watching: new Watching(checker(readHost), machineClock(), openRecollection(own)),
  proxying: new Proxying(join(run, 'proxy'), proxyKeeperAt(join(run, 'proxy', keeperSocket), callKeeper)),
  tracing: new Tracing({ door, readHost }),
  readHost,
}
const agent = new Agent(machine)
const telling = {
  repaired: (repair: Repair) =>
    void process.stdout.write(process.stdout.isTTY ? spokenRepair(repair) : journalRepair(repair)),
  turned: (turned: Turned) =>
    void process.stdout.write(process.stdout.isTTY ? spokenTurn(turned) : journalTurn(turned)),
  refused: (words: string) => void process.stderr.write(`drawbridge agent: ${words}\n`),
}

if (values.clear) {
  await agent.answer({ verb: 'clear' })
  await machine.door.close()
} else {
  await serveAgent()
}

async function serveAgent(): Promise<void> {
  // Two that start at the same moment do not see each other, and would take each other's socket and files.
  if (!holdLock(join(own, 'lock'))) end(Problem.of('state-held', { state }))
  // Started anew by whoever started us: what the kernel holds is compared then.
  void machine.door.ended.then(() => process.exit(1))
  const inTurn = oneAfterTheOther()
  await agent.guard(inTurn, telling).catch((error: unknown) => {
    if (!(error instanceof Problem)) throw error
    end(error)
  })
  const socket = join(run, 'agent', 'agent.sock')
  // A target that is silent must hold up neither a change nor a repair.
  const probing = oneAfterTheOther()
  const tracing = oneAfterTheOther()
  const turns: Partial<Record<AgentMessage['verb'], InTurn>> = {
    probe: probing,
    trace: tracing,
    prove: tracing,
    examine: fewAtOnce(5),
    // These wait for programs of others, and change nothing.
    admitted: (work) => work(),
    containers: (work) => work(),
  }
  const server = await serve(socket, (message) =>
    (turns[message.verb] ?? inTurn)(() => agent.answer(message)),
  )
  const stop = (code: number) => {
    server.close()
    rmSync(socket, { force: true })
    process.exit(code)
  }
  // Standard input is a pipe of whoever started us, and ends with them.
  if (values.supervised) process.stdin.resume().on('close', () => stop(1))
  process.on('SIGTERM', () => stop(0))
  process.on('SIGINT', () => stop(0))
}

function end({ message, remedy }: Problem): never {
  process.stderr.write(`drawbridge: ${message}\n  ${remedy}\n`)
  process.exit(1)
}

/** So many lanes, and who comes takes the next one. */
function fewAtOnce(lanes: number): InTurn {
  const all = Array.from({ length: lanes }, oneAfterTheOther)
  let next = 0
  return (work) => {
    next = (next + 1) % lanes
    return (all[next] as (typeof all)[0])(work)
  }
}
