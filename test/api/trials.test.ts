/** What guards a trial: who may confirm it, what may come meanwhile, and what is asked before a change. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { asking } from '../../src/api/asking.ts'
import { GatewayService } from '../../src/api/gateway.ts'
import { readAddress } from '../../src/model/address.ts'
import type { Listener } from '../../src/model/listeners.ts'
import { Problem } from '../../src/model/problem.ts'
import type { Session } from '../../src/model/session.ts'
import { startConfirmation } from '../../src/reconcile/confirmation.ts'
import { type Runner, startRunner } from '../../src/reconcile/runner.ts'
import { openMemoryStore } from '../../src/store/memory.ts'
import type { Store } from '../../src/store/store.ts'
import { type MemoryAgent, memoryAgent } from '../reconcile/agent.ts'
import { type HandClock, handClock, settled } from '../reconcile/clock.ts'
import { noNames } from '../reconcile/names/none.ts'
import { careful, opening, origin } from '../store/changes.ts'

const second = 1000
const sshd: Listener = { protocol: 'tcp', address: '0.0.0.0', port: 22, uid: 0 }

let store: Store
let clock: HandClock
let agent: MemoryAgent
let runner: Runner
let service: GatewayService
let sessions: Session[]
let stopConfirmation: () => void

beforeEach(async () => {
  store = openMemoryStore()
  clock = handClock('2027-01-31T00:00:00Z')
  sessions = []
  agent = seeing(memoryAgent())
  runner = startRunner(store, agent, clock)
  stopConfirmation = startConfirmation(store, clock).stop
  service = new GatewayService({ store, agent, runner, clock, names: noNames })
  await settled()
})
afterEach(() => {
  stopConfirmation()
  runner.stop()
})

/** The agent of a machine on which sshd serves. */
function seeing(plain: MemoryAgent): MemoryAgent {
  const ask: MemoryAgent['ask'] = async (message) => {
    const answer = await plain.ask(message)
    if (message.verb === 'listeners') return [sshd] as never
    return message.verb === 'sessions' ? (sessions as never) : answer
  }
  return { ...plain, ask }
}

const request = { headers: { 'x-drawbridge-user': 'root', 'x-drawbridge-uid': '0' } }
type Wishes = Parameters<typeof asking>[1]
const person = (wishes?: Wishes) => asking(request as unknown as Parameters<typeof asking>[0], wishes)
const sessionOn = (clientPort: number): Session => {
  const [client, server] = [readAddress('203.0.113.2'), readAddress('203.0.113.1')]
  if (!client || !server) throw new Error('not addresses')
  return { client, clientPort, server, serverPort: 22 }
}
const open = (forward: string, wishes?: Wishes) => service.open({ forward }, person(wishes))
const confirm = (from?: Session) => service.confirm(performance.now(), { ...person(), from })
const names = () => [...store.register.forwards.keys()].sort()
const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'done',
    (error: unknown) => (error instanceof Problem ? error.code : error),
  )

describe('a confirmation', () => {
  test('counts though the change came into force so late that its author was told of a failure', async () => {
    agent.refuseWith(Problem.of('kernel-refused', { words: 'busy' }))
    expect(await codeOf(open('tcp/8000 -> 10.0.0.5', { confirm: 60 }))).toBe('kernel-refused')
    agent.refuseWith(null)
    await clock.pass(second)
    expect(await codeOf(confirm())).toBe('done')
    await clock.pass(100 * second)
    expect(names()).toEqual(['tcp-8000'])
  })

  test('does not count before the change is in force, also when the controller was started anew', async () => {
    agent.goAway()
    store.commit(opening('trial', 2000), origin, careful, {
      confirmWithin: 60 * second,
      uptime: clock.uptime(),
    })
    const again = startRunner(store, agent, clock)
    const anew = new GatewayService({ store, agent, runner: again, clock, names: noNames })
    const early = codeOf(anew.confirm(performance.now(), person()))
    await settled()
    expect(store.pending).not.toBeNull()
    agent.comeBack()
    await clock.pass(10 * second)
    expect(await early).toBe('old-connection')
    expect(await codeOf(anew.confirm(performance.now(), person()))).toBe('done')
    again.stop()
  })

  test('does not count over a session that was opened while the change was on its way into the kernel', async () => {
    const author = sessionOn(1000)
    sessions = [author]
    agent.refuseWith(Problem.of('agent-away', {}))
    const asked = service.open(
      { forward: { listen: 'tcp/22', to: '10.0.0.5' } },
      { ...person({ confirm: 60, privileged: true, take_over: true }), from: author },
    )
    await settled()
    expect(store.pending?.sessions).toHaveLength(2)
    const between = sessionOn(1001)
    sessions = [author, between]
    agent.refuseWith(null)
    await clock.pass(second)
    await asked
    const later = sessionOn(1002)
    sessions = [author, between, later]
    expect(await codeOf(confirm(author))).toBe('old-session')
    expect(await codeOf(confirm(between))).toBe('old-session')
    expect(await codeOf(confirm(later))).toBe('done')
  })
})

describe('while a change waits', () => {
  test('a lockdown passes, but not one on trial, which would keep what waits', async () => {
    await open('tcp/8000 -> 10.0.0.5', { confirm: 60 })
    expect(await codeOf(service.lockdown(false, person({ confirm: 60 })))).toBe('unconfirmed')
    expect(await codeOf(service.lockdown(false, person()))).toBe('done')
    await clock.pass(61 * second)
    expect([names(), store.register.settings.locked, store.pending]).toEqual([[], true, null])
  })

  test('Drawbridge is not stopped, as nothing would undo it then; taken out of the kernel it may be', async () => {
    await open('tcp/8000 -> 10.0.0.5', { confirm: 60 })
    expect(await codeOf(service.down(false, person()))).toBe('unconfirmed')
    expect(await codeOf(service.down(true, person()))).toBe('done')
  })
})

test('a lockdown on trial is lifted by itself, and one that was lifted on trial returns', async () => {
  const locked = () => store.register.settings.locked
  await service.lockdown(false, person({ confirm: 60 }))
  expect(locked()).toBe(true)
  await clock.pass(61 * second)
  expect(locked()).toBe(false)
  await service.lockdown(false, person())
  await service.lockdown(true, person({ confirm: 60 }))
  expect(locked()).toBe(false)
  await clock.pass(61 * second)
  expect(locked()).toBe(true)
})

test('a session over a link-local address is known as the kernel tells it, without its zone', () => {
  const told = 'fe80::2%in0 4711 fe80::1%in0 22'
  const headers = { ...request.headers, 'x-drawbridge-from': told }
  const { from } = asking({ headers } as unknown as Parameters<typeof asking>[0])
  expect([from?.client.text, from?.clientPort, from?.server.text]).toEqual(['fe80::2', 4711, 'fe80::1'])
})

describe('what the author stands on', () => {
  const taking = { forward: { listen: 'tcp/22', to: '10.0.0.5' } }
  const meant = { privileged: true, take_over: true }

  test('a lockdown that hid a forward on the port of sshd is lifted on trial only', async () => {
    await service.lockdown(false, person())
    await service.open(taking, person({ ...meant, confirm: 60 }))
    await confirm()
    expect(await codeOf(service.lockdown(true, person()))).toBe('confirmation-required')
    expect(await codeOf(service.lockdown(true, person({ confirm: 60 })))).toBe('done')
  })

  test('is not known without the agent: a change waits for it, and is refused when it does not come', async () => {
    agent.goAway()
    const hasty = codeOf(service.open(taking, person({ privileged: true })))
    await clock.pass(second)
    agent.comeBack()
    await clock.pass(second)
    expect(await hasty).toBe('shadows-listener')

    agent.goAway()
    const alone = codeOf(service.open(taking, person({ privileged: true })))
    await clock.pass(30 * second)
    expect(await alone).toBe('agent-away')
    expect(names()).toEqual([])
    const locking = codeOf(service.lockdown(false, person()))
    await clock.pass(60 * second)
    expect(await locking).toBe('not-in-step')
    expect(store.register.settings.locked).toBe(true)
  })

  test('a forward that was switched off before a service came may hide it when it is switched on, if that is meant', async () => {
    await service.open(
      { forward: { name: 'off', listen: 'tcp/22', to: '10.0.0.5', enabled: false } },
      person({ privileged: true }),
    )
    expect(await codeOf(service.switch(['off'], true, person({ confirm: 0 })))).toBe('shadows-listener')
    expect(await codeOf(service.switch(['off'], true, person({ confirm: 0, take_over: true })))).toBe('done')
  })
})

test('whoever takes the last change back does not take back one that comes meanwhile', async () => {
  await open('tcp/8000 -> 10.0.0.5')
  await open('tcp/8001 -> 10.0.0.5')
  const [, back] = await Promise.all([
    open('tcp/8002 -> 10.0.0.5'),
    codeOf(service.rollback(undefined, person())),
  ])
  expect(back).toBe('stale-generation')
  expect(names()).toEqual(['tcp-8000', 'tcp-8001', 'tcp-8002'])
})

test('a disk that is full does not keep the forwards in the kernel', async () => {
  await open('tcp/8000 -> 10.0.0.5')
  expect(Object.values(agent.dump())).toEqual(['tcp-8000'])
  const full: Store = Object.create(store, {
    record: {
      value: () => {
        throw Problem.of('store-unwritable', { path: 'x', why: 'database or disk is full' })
      },
    },
  })
  const unlucky = new GatewayService({ store: full, agent, runner, clock, names: noNames })
  expect(await codeOf(unlucky.rotate(1, person()))).toBe('store-unwritable')
  expect(await codeOf(unlucky.down(true, person()))).toBe('done')
  expect(Object.values(agent.dump())).toEqual([])
})

test('what is put in force against a later state of the kernel is entered', async () => {
  await open('tcp/8000 -> 10.0.0.5')
  await service.accept(person())
  const { entries } = await store.entries(0, 10)
  expect(entries.map(({ command }) => command)).toEqual(['open', 'accept'])
})
