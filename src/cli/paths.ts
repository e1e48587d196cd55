/** Where the client finds its Drawbridge. */
import { resolve } from 'node:path'
import { apiSocket, defaultState, runDirectory } from '../paths.ts'
import { emptyState } from './problems.ts'

/** The state directory as an absolute path: `--state` before `DRAWBRIDGE_STATE` before the default. */
export function stateDirectory(flag: string | undefined, env: NodeJS.ProcessEnv): string {
  const named = flag ?? env.DRAWBRIDGE_STATE ?? defaultState
  if (named === '') throw emptyState(flag === undefined ? 'DRAWBRIDGE_STATE' : '--state')
  return resolve(named)
}

export function socketOf(state: string): string {
  return apiSocket(runDirectory(state))
}
