/** Probes, sent by the agent to openings of forwards: asked for, and after a change. */
import type { AgentClient } from '../agent/client.ts'
import type { Trace } from '../model/trace.ts'
import type { Store } from '../store/store.ts'
import { findForward } from './reading.ts'
import type { TraceRequest } from './shapes.ts'

export function trace(
  { agent, store }: { readonly agent: AgentClient; readonly store: Store },
  { name, ...wanted }: TraceRequest,
): Promise<Trace> {
  return agent.ask({ verb: 'trace', ...wanted, name: findForward(store, name).name })
}
