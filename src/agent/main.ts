/** The agent process: opens the door and the socket, and follows the machine. `main.ts --clear` removes every trace. */
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { openDoor } from '../kernel/door.ts'
import { openForwarding } from '../kernel/forwarding.ts'
import { readHost } from '../kernel/host.ts'
import { readListeners } from '../kernel/listeners.ts'
import { Problem } from '../model/problem.ts'
import { Agent } from './agent.ts'
import { openBootFile } from './boot.ts'
import { openRecord } from './record.ts'
import { serve } from './server.ts'

/** How often addresses and default routes are looked at: two reads of procfs. */
const followEvery = 1000

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
const machine = {
  door: await openDoor(),
  forwarding: openForwarding(own),
  record: openRecord(own),
  boot: openBootFile(own),
  readHost,
  readListeners,
}
const agent = new Agent(machine)

if (values.clear) {
  await agent.answer({ verb: 'clear' })
  await machine.door.close()
} else {
  // Started anew by whoever started us: what the kernel holds is compared then.
  void machine.door.ended.then(() => process.exit(1))
  const socket = join(run, 'agent', 'agent.sock')
  let turn: Promise<unknown> = Promise.resolve()
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const result = turn.then(work)
    turn = result.catch(() => {})
    return result
  }
  await agent.guard(Date.now, inTurn).catch((error: unknown) => {
    if (!(error instanceof Problem)) throw error
    process.stderr.write(`drawbridge: ${error.message}\n  ${error.remedy}\n`)
    process.exit(1)
  })
  const server = await serve(socket, (message) => inTurn(() => agent.answer(message)))
  // Standard input is a pipe of whoever started us, and ends with them.
  if (values.supervised) process.stdin.resume().on('close', () => process.exit(1))
  const following = setInterval(() => void inTurn(() => agent.follow()).catch(complain), followEvery)
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      clearInterval(following)
      server.close()
      rmSync(socket, { force: true })
      process.exit(0)
    })
  }
}

function complain(error: Error): void {
  process.stderr.write(`drawbridge agent: ${error.message}\n`)
}
