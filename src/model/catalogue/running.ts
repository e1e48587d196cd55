/** What can go wrong with the machine, the processes and the files. */
import { entry } from './entry.ts'

export const runningProblems = {
  'kernel-refused': entry<{ words: string }>({
    status: 502,
    says: ({ words }) => `the kernel refused the change: ${words}`,
    remedy: () =>
      'The change is kept and tried again by itself. See: drawbridge status; undo it with: drawbridge rollback.',
  }),
  'kernel-differs': entry<{ what: string }>({
    status: 502,
    says: ({ what }) => `the kernel does not hold what was written: ${what}`,
    remedy: () => 'Another program may be writing to the table inet drawbridge. It is written again at once.',
  }),
  'fought-over': entry<{ count: number; by: string }>({
    status: 502,
    says: ({ count, by }) =>
      `another program keeps changing the table inet drawbridge: ${count} repairs, the last after ${by}`,
    remedy: () =>
      'Stop that program, or keep it from flushing the whole ruleset. Each repair waits 5 s or longer meanwhile.',
  }),
  'repair-refused': entry<{ words: string }>({
    status: 502,
    says: ({ words }) =>
      `the table inet drawbridge was changed by another program and cannot be repaired: ${words}`,
    remedy: () =>
      'See who holds it: sudo nft -a list table inet drawbridge. It is tried again every few seconds by itself.',
  }),
  'not-in-step': entry<{ wanted: number; have: number; why: string }>({
    status: 504,
    says: ({ wanted, have, why }) =>
      `the change is kept as generation ${wanted}, but the kernel still has ${have}: ${why}`,
    remedy: () => 'It is tried again by itself. Watch it with: drawbridge status --wait 10s.',
  }),
  'agent-away': entry<Record<never, never>>({
    status: 503,
    says: () => 'the agent, which alone may touch the kernel, does not answer',
    remedy: () => 'Start both with: sudo drawbridge up. The forwards in the kernel are untouched meanwhile.',
  }),
  'trace-unable': entry<{ words: string }>({
    status: 503,
    says: ({ words }) => `no probe can be sent on this machine: ${words}`,
    remedy: () =>
      'The kernel needs TUN, u32 and mirred: sudo modprobe -a tun sch_ingress cls_u32 act_mirred.',
  }),
  'trace-rate': entry<{ most: number; rate: number }>({
    status: 429,
    says: ({ most, rate }) => `too many probes: ${most} at once, then ${rate} a second`,
    remedy: () => 'Wait a moment and ask again.',
  }),
  'agent-running': entry<{ words: string }>({
    status: 409,
    says: ({ words }) => `another agent already holds the forwards of this network namespace (${words})`,
    remedy: () => 'Stop that Drawbridge first: drawbridge --state ITS-DIRECTORY down.',
  }),
  'boot-file': entry<{ words: string }>({
    status: 500,
    says: ({ words }) => `the forwards are in force, but could not be written for the next boot: ${words}`,
    remedy: () => 'Make room in the state directory, or mount it writable; it is written again by itself.',
  }),
  'still-open': entry<{ why: string }>({
    status: 507,
    says: ({ why }) => `forwards whose time is over are still open: ${why}`,
    remedy: () => 'Make room where the store is; it is tried again every second.',
  }),
  'still-unconfirmed': entry<{ base: number; why: string }>({
    status: 507,
    says: ({ base, why }) => `the change on trial is over, but generation ${base} could not return: ${why}`,
    remedy: () => 'Make room where the store is; it is tried again every second.',
  }),
  'controller-away': entry<{ socket: string; why: string }>({
    status: 503,
    says: ({ socket, why }) => `Drawbridge does not answer on ${socket} (${why})`,
    remedy: () => 'Start it with: sudo drawbridge up (or name its state directory with --state).',
  }),
  'already-running': entry<{ state: string; pid: number }>({
    status: 409,
    says: ({ state, pid }) => `another Drawbridge (process ${pid}) already runs on ${state}`,
    remedy: () => 'Use that one, or give this one another directory with --state.',
  }),
  'state-held': entry<{ state: string }>({
    status: 409,
    says: ({ state }) => `another agent, perhaps in another network namespace, already works on ${state}`,
    remedy: () => 'Give this Drawbridge a directory of its own with --state; a copy of that one will do.',
  }),
  'store-unusable': entry<{ path: string; why: string }>({
    status: 503,
    says: ({ path, why }) => `the store ${path} cannot be used: ${why}`,
    remedy: () =>
      'The forwards in the kernel go on. Put back a good copy of it; or save what is in force with: sudo drawbridge export --last-good > gateway.yaml, move the store away, apply that file, and say: drawbridge accept.',
  }),
  'store-unwritable': entry<{ path: string; why: string }>({
    status: 507,
    says: ({ path, why }) => `nothing was changed, as the store ${path} cannot be written: ${why}`,
    remedy: () =>
      'Make room on its disk, or mount it writable, and make the change again. The forwards go on.',
  }),
  'store-busy': entry<{ path: string; pid: number }>({
    status: 409,
    says: ({ path, pid }) =>
      `the store ${path} is in use by ${pid > 0 ? `process ${pid}` : 'another process'}`,
    remedy: () => 'Use the Drawbridge that runs there, or give this one another directory with --state.',
  }),
  'store-behind': entry<{ store: number; known: number }>({
    status: 409,
    says: ({ store, known }) =>
      `the store is at generation ${store}, but the kernel holds ${known > 0 ? `generation ${known}` : 'the forwards'} of one that knew more; nothing is written to the kernel`,
    remedy: () =>
      'If this store is meant: drawbridge accept. Else put back the right one; what is in force is printed by: sudo drawbridge export --last-good.',
  }),
  'crowdsec-key': entry<{ path: string; why: string }>({
    status: 503,
    says: ({ path, why }) => `the key of CrowdSec's bouncer cannot be read from ${path}: ${why}`,
    remedy: () => 'Make one and write it there: sudo cscli -oraw bouncers add drawbridge.',
  }),
  'state-unusable': entry<{ path: string; why: string }>({
    status: 503,
    says: ({ path, why }) => `the state directory ${path} cannot be used: ${why}`,
    remedy: () => 'Mend it and start again: sudo drawbridge up. The forwards in the kernel go on meanwhile.',
  }),
  'no-last-good': entry<{ path: string; why: string }>({
    status: 404,
    says: ({ path, why }) => `there is no last good gateway in ${path}: ${why}`,
    remedy: () => 'Name the state directory with --state. The file is root’s, so use sudo.',
  }),
  'no-such-route': entry<{ method: string; path: string }>({
    status: 404,
    says: ({ method, path }) => `there is no ${method} ${path}`,
    remedy: () => 'The routes are listed in docs/behaviour.md.',
  }),
  'bad-request': entry<{ why: string }>({
    status: 400,
    says: ({ why }) => `the request cannot be read: ${why}`,
    remedy: () => 'Send one JSON object with content type application/json.',
  }),
  'went-wrong': entry<{ why: string }>({
    status: 500,
    says: ({ why }) => `Drawbridge failed inside: ${why}`,
    remedy: () =>
      'Look whether it was done: drawbridge history. Please report it with: drawbridge status -o json.',
  }),
} as const
