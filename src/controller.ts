/** Composition root of the controller: the only file that builds real stores, clients and clocks. */
import { readFileSync, readlinkSync, rmSync } from 'node:fs'
import { uptime } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { agentAt } from './agent/client.ts'
import { buildApp, buildTroubled, loadAll } from './api/app.ts'
import { doctorOf } from './api/doctoring.ts'
import { exposureLook } from './api/exposing.ts'
import { GatewayService } from './api/gateway.ts'
import { GatewayReader } from './api/reading.ts'
import { watchConflicts } from './api/watching.ts'
import {
  conflictLine,
  journalLine,
  journalName,
  priorityPrefix,
  spokenConflict,
  spokenLine,
  spokenName,
  visible,
} from './journal.ts'
import { Problem } from './model/problem.ts'
import { apiSocket, taken } from './paths.ts'
import { startConfirmation } from './reconcile/confirmation.ts'
import { type CrowdSecAccess, startCrowdSec, tellingFirst } from './reconcile/crowdsec.ts'
import { startExpiry } from './reconcile/expiry.ts'
import { startHealthLog } from './reconcile/health.ts'
import { startNames } from './reconcile/names/names.ts'
import { startRotation } from './reconcile/rotation.ts'
import { type Clock, startRunner } from './reconcile/runner.ts'
import { startWitness } from './reconcile/witness.ts'
import { openSqliteStore } from './store/sqlite.ts'
import type { Store } from './store/store.ts'

const { values } = parseArgs({
  options: {
    state: { type: 'string', default: '/var/lib/drawbridge' },
    run: { type: 'string', default: '/run/drawbridge' },
    /** Standard input is a pipe of whoever started us, and ends with them. */
    supervised: { type: 'boolean', default: false },
    uid: { type: 'string' },
    gid: { type: 'string' },
    /** Where CrowdSec's local API is, and the file with the key of a bouncer. */
    'crowdsec-url': { type: 'string', default: 'http://127.0.0.1:8080/' },
    'crowdsec-key': { type: 'string' },
  },
})

/** Everything is loaded by now, so the sources need not be readable by the user that this becomes. */
function dropPrivilege(uid: string | undefined, gid: string | undefined): void {
  if (uid === undefined || gid === undefined) return
  process.setgroups?.([Number(gid)])
  process.setgid?.(Number(gid))
  process.setuid?.(Number(uid))
}

/** The file is the operator's, so it is read before privilege is dropped. */
function crowdSecAccess(): CrowdSecAccess | undefined {
  const path = values['crowdsec-key']
  if (path === undefined) return undefined
  try {
    return { url: values['crowdsec-url'], key: readFileSync(path, 'utf8').trim() }
  } catch (error) {
    throw Problem.of('crowdsec-key', { path, why: (error as Error).message }, error)
  }
}

function note(words: string): void {
  process.stderr.write(`drawbridge: ${visible(words)}\n`)
}

/** A network namespace that is new is a machine started anew: nothing of us is in its kernel yet. */
const boot = [
  readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
  readlinkSync('/proc/self/ns/net'),
].join(' ')

const clock: Clock = {
  now: () => Date.now(),
  uptime: () => ({ boot, milliseconds: Math.round(uptime() * 1000) }),
  after: (milliseconds, work) => {
    const timer = setTimeout(work, milliseconds)
    return () => clearTimeout(timer)
  },
}

async function main(): Promise<void> {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  await loadAll()
  const access = crowdSecAccess()
  dropPrivilege(values.uid, values.gid)
  process.umask(0o177)
  const store = await openStore()
  const plain = agentAt(join(values.run, 'agent', 'agent.sock'))
  const crowdsec =
    access && startCrowdSec(access, plain, (why) => note(why ?? `CrowdSec's local API answers again`))
  const line = process.stdout.isTTY ? spokenLine : journalLine
  const level = priorityPrefix(process.env, 1)
  store.onCommit((record) => process.stdout.write(level + line(record)))
  const nameLine = process.stdout.isTTY ? spokenName : journalName
  const names = startNames(store, plain, clock, join(values.state, 'store'), (event) =>
    process.stdout.write(level + nameLine(event)),
  )
  const agent = crowdsec ? tellingFirst(names.agent, crowdsec) : names.agent
  const expiry = startExpiry(store, clock)
  const confirmation = startConfirmation(store, clock)
  const runner = startRunner(store, agent, clock)
  const stopWitness = startWitness(store, agent, clock, (entry) => {
    const file = join(values.state, 'agent', 'audit.json')
    say(Problem.of('audit-forked', { entry, why: 'another one stands there, or none', file }))
  })
  const stopHealthLog = startHealthLog(store, agent, clock)
  const stopRotation = startRotation(store, (why) => process.stderr.write(`drawbridge: ${why}\n`))
  const parts = { store, agent, runner, clock, names }
  const reader = new GatewayReader(parts)
  const conflict = process.stdout.isTTY ? spokenConflict : conflictLine
  const stopWatching = watchConflicts(reader.conflicts, clock, (sentence, there) =>
    process.stdout.write(level + conflict(sentence, there)),
  )
  const service = new GatewayService(parts)
  const exposure = exposureLook(agent, store, clock.now)
  const app = buildApp({
    ...parts,
    service,
    reader,
    exposure,
    doctor: doctorOf({ ...parts, service, exposure }),
    version,
    late: () => expiry.problem ?? confirmation.problem,
    stop: () => stop(0),
  })

  const socket = apiSocket(values.run)
  const stop = (code: number) => {
    stopWatching()
    confirmation.stop()
    expiry.stop()
    stopWitness()
    stopHealthLog()
    stopRotation()
    crowdsec?.stop()
    names.stop()
    runner.stop()
    store.close()
    rmSync(socket, { force: true })
    process.exit(code)
  }
  // 0 is for `drawbridge down` alone; after anything else we are started again.
  process.on('SIGTERM', () => stop(143))
  process.on('SIGINT', () => stop(130))
  if (values.supervised) process.stdin.resume().on('close', () => stop(1))
  process.stdout.on('error', () => {})

  rmSync(socket, { force: true })
  await app.listen({ path: socket })
}

/**
 * Opens the store. While it cannot be used, every question is answered with the reason, so that nobody has to look for
 * it, and the store is looked at again: a disk may be mounted, or a good copy put back.
 */
async function openStore(): Promise<Store> {
  const socket = apiSocket(values.run)
  let trouble: Problem | undefined
  let app: ReturnType<typeof buildTroubled> | undefined
  const stop = (code: number) => {
    rmSync(socket, { force: true })
    process.exit(code)
  }
  const ends = [() => stop(143), () => stop(1)] as const
  for (;;) {
    const began = performance.now()
    try {
      const store = openSqliteStore(join(values.state, 'store', 'drawbridge.db'))
      await app?.close()
      process.off('SIGTERM', ends[0])
      process.stdin.off('close', ends[1])
      return store
    } catch (error) {
      // Another process has the store and serves its socket, which must not be taken from it.
      if (!(error instanceof Problem) || error.code === 'store-busy') throw error
      if (trouble?.message !== error.message) say(error)
      trouble = error
      if (!app) {
        app = buildTroubled(
          () => trouble ?? error,
          () => stop(0),
        )
        process.on('SIGTERM', ends[0])
        if (values.supervised) process.stdin.resume().on('close', ends[1])
        rmSync(socket, { force: true })
        await app.listen({ path: socket })
      }
      await sleep(Math.max(1000, (performance.now() - began) * 20))
    }
  }
}

function say({ message, remedy }: Problem): void {
  process.stderr.write(`drawbridge: ${visible(message)}\n  ${visible(remedy)}\n`)
}

main().catch((error: unknown) => {
  say(error instanceof Problem ? error : Problem.of('went-wrong', { why: (error as Error).message }))
  // Another process has the store: whoever started us need not try again.
  process.exit(error instanceof Problem && error.code === 'store-busy' ? taken : 1)
})
