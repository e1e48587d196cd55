/** What an agent is given to work with. */
import type { Door } from '../kernel/door.ts'
import type { Forwarding } from '../kernel/forwarding.ts'
import type { HostFacts } from '../kernel/host.ts'
import type { Banning } from './banning.ts'
import type { Beside } from './beside.ts'
import type { BootFile } from './boot.ts'
import type { Containing } from './containing.ts'
import type { Watching } from './health/watching.ts'
import type { Proxying } from './proxying.ts'
import type { SkeletonRecord } from './record.ts'
import type { Tracing } from './tracing.ts'
import type { Witness } from './witness.ts'

/** Everything outside that the agent touches. */
export interface Machine {
  readonly door: Door
  readonly forwarding: Forwarding
  readonly record: SkeletonRecord
  readonly boot: BootFile
  readonly witness: Witness
  readonly beside: Beside
  readonly bans: Banning
  readonly containing: Containing
  readonly watching: Watching
  readonly proxying: Proxying
  readonly tracing: Tracing
  readonly readHost: () => HostFacts
}
