/** Where the client finds its Drawbridge. The same rule as src/paths.ts, which a client of the API may not import. */
import { join, resolve } from 'node:path'
import { emptyState } from './problems.ts'

const defaultState = '/var/lib/drawbridge'

/** The state directory as an absolute path: `--state` before `DRAWBRIDGE_STATE` before the default. */
export function stateDirectory(flag: string | undefined, env: NodeJS.ProcessEnv): string {
  const named = flag ?? env.DRAWBRIDGE_STATE ?? defaultState
  if (named === '') throw emptyState(flag === undefined ? 'DRAWBRIDGE_STATE' : '--state')
  return resolve(named)
}

export function socketOf(state: string): string {
  return join(state === defaultState ? '/run/drawbridge' : join(state, 'run'), 'api.sock')
}
