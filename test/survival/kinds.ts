/** Kinds of change, each with what answers before it and after it. */
import type { Client } from '../../src/api/client.ts'
import { type Answers, answering } from './gateway.ts'

const server = '10.0.0.5:80'
const other = '10.0.0.6:80'

/** What every change starts from. The forward "kept" is touched by none but the lockdown. */
export const base = {
  version: 1,
  lists: { office: ['203.0.113.0/24'] },
  forwards: [
    { name: 'kept', listen: 'tcp+udp/8000', to: server },
    { name: 'web', listen: 'tcp+udp/8100', to: server },
    { name: 'listed', listen: 'tcp+udp/8101', to: server, from: ['office'] },
  ],
}

/** Retargets one, removes one, opens one with sources of its own. */
const next = {
  version: 1,
  lists: { office: ['203.0.113.0/24'] },
  forwards: [
    { name: 'kept', listen: 'tcp+udp/8000', to: server },
    { name: 'web', listen: 'tcp+udp/8100', to: other },
    { name: 'new', listen: 'tcp+udp/8102', to: other, from: ['203.0.113.2/31'] },
  ],
}

const now = { 8000: 'server', 8100: 'server', 8101: 'server' } as const
const applied = answering({ 8000: 'server', 8100: 'other', 8102: 'other' })
const opened = answering({ ...now, 8102: 'server' })
const settled = answering(now)

export interface Kind {
  readonly before: Answers
  readonly after: Answers
  /** Makes `before` out of what every change starts from. */
  prepare?(api: Client): Promise<unknown>
  act(api: Client): Promise<unknown>
  /** It comes with time, whatever is asked and answered. */
  readonly byItself?: boolean
  /** It ends the connections of all forwards, as it should. */
  readonly ends?: boolean
}

const open = (api: Client, wishes: object = {}) =>
  api.open({ forward: { name: 'new', listen: 'tcp+udp/8102', to: server, ...wishes } })

/** Waits for what comes with time, through crashes and restarts. */
async function historySays(api: Client, how: string): Promise<void> {
  for (let waited = 0; waited < 30_000; waited += 50) {
    const [last] = await api.history(0, 1).catch(() => [])
    if (last?.how === how) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`no ${how} came`)
}

/** Long enough to arm a point and to attach to a process before it is over. */
const seconds = 2

export const kinds = {
  open: { before: settled, after: opened, act: (api) => open(api) },
  'open with sources and a limit of its own': {
    before: settled,
    after: opened,
    act: (api) => open(api, { from: ['203.0.113.2/31'], limits: { new_per_source: '900/s' } }),
  },
  close: {
    before: settled,
    after: answering({ ...now, 8100: 'refused' }),
    act: (api) => api.close({ names: ['web'] }),
  },
  'close the last with sources': {
    before: settled,
    after: answering({ ...now, 8101: 'refused' }),
    act: (api) => api.close({ names: ['listed'] }),
  },
  disable: {
    before: settled,
    after: answering({ ...now, 8100: 'refused' }),
    act: (api) => api.disable({ names: ['web'] }),
  },
  retarget: {
    before: settled,
    after: answering({ ...now, 8100: 'other' }),
    act: (api) =>
      api.apply({ gateway: { version: 1, forwards: [{ name: 'web', listen: 'tcp+udp/8100', to: other }] } }),
  },
  apply: { before: settled, after: applied, act: (api) => api.apply({ gateway: next, prune: true }) },
  'apply on trial': {
    before: settled,
    after: applied,
    act: (api) => api.apply({ gateway: next, prune: true, confirm: 600 }),
  },
  confirm: {
    before: applied,
    after: applied,
    prepare: (api) => api.apply({ gateway: next, prune: true, confirm: 600 }),
    act: (api) => api.confirm(),
  },
  revert: {
    before: applied,
    after: settled,
    prepare: (api) => api.apply({ gateway: next, prune: true, confirm: seconds }),
    act: (api) => historySays(api, 'revert'),
    byItself: true,
  },
  expiry: {
    before: opened,
    after: settled,
    prepare: (api) => open(api, { expires: new Date(Date.now() + seconds * 1000).toISOString() }),
    act: (api) => historySays(api, 'expiry'),
    byItself: true,
  },
  rollback: {
    before: applied,
    after: settled,
    prepare: (api) => api.apply({ gateway: next, prune: true }),
    act: (api) => api.rollback({}),
  },
  lockdown: {
    before: settled,
    after: answering({}),
    act: (api) => api.lockdown({ lift: false }),
    ends: true,
  },
  lift: {
    before: answering({}),
    after: settled,
    prepare: (api) => api.lockdown({ lift: false }),
    act: (api) => api.lockdown({ lift: true }),
    ends: true,
  },
} as const satisfies Readonly<Record<string, Kind>>

export type KindName = keyof typeof kinds
export const kindNames = Object.keys(kinds) as KindName[]
