/** Probes by the API; a test asks for more of them in a moment than people do. */
import { accessSync, constants } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { TestContext } from 'vitest'
import type { TraceRequest } from '../../src/api/shapes.ts'
import { Problem } from '../../src/model/problem.ts'
import type { Trace } from '../../src/model/trace.ts'
import type { Drawbridge } from './drawbridge.ts'
import { isRoot } from './root.ts'

/**
 * A user namespace may make such devices where everybody may open the file, as udev has it. Root of the machine may always:
 * there, what cannot be probed is a failure.
 */
export const canProbe = isRoot || isOpen('/dev/net/tun')

/** Before each test of a file that sends probes: where none can be sent it is skipped, and says what it wants. */
export const wantsProbes = ({ skip }: TestContext) => skip(!canProbe, 'wants /dev/net/tun')

function isOpen(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK)
    return true
  } catch {
    return false
  }
}

export type Traces = (name: string, from: string, more?: Partial<TraceRequest>) => Promise<Trace>

export function tracing({ api }: Drawbridge): Traces {
  return async (name, from, more = {}) => {
    for (;;) {
      const traced = await api.trace({ name, from, ...more }).catch((error: unknown) => error)
      if (!(traced instanceof Error)) return traced as Trace
      if (!(traced instanceof Problem && traced.code === 'trace-rate')) throw traced
      await sleep(300)
    }
  }
}
