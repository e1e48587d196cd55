/** Where things lie, seen from the state directory. */
import { join } from 'node:path'

export const defaultState = '/var/lib/drawbridge'

/** The directory of the sockets: `DIR/run`, or where the system keeps such things for the default. */
export function runDirectory(state: string): string {
  return state === defaultState ? '/run/drawbridge' : join(state, 'run')
}

/** The API's socket in a run directory; its own directory belongs to the controller. */
export function apiSocket(run: string): string {
  return join(run, 'api', 'api.sock')
}

/** The controller's exit code when another process has the store. */
export const taken = 4
