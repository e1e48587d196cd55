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
  'agent-running': entry<{ words: string }>({
    status: 409,
    says: ({ words }) => `another agent already holds the forwards of this network namespace (${words})`,
    remedy: () => 'Stop that Drawbridge first: drawbridge --state ITS-DIRECTORY down.',
  }),
  'boot-file': entry<{ words: string }>({
    status: 500,
    says: ({ words }) => `the forwards are in force, but could not be written for the next boot: ${words}`,
    remedy: () => 'Make room in the state directory; it is written again with the next change.',
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
  'store-unusable': entry<{ path: string; why: string }>({
    status: 500,
    says: ({ path, why }) => `the store ${path} cannot be used: ${why}`,
    remedy: () =>
      'The kernel keeps its forwards. Put back a good copy of the file, or move it away to start empty.',
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
