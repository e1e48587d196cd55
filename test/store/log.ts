/** The log of a store as a client verifies it. */
import { GatewayReader } from '../../src/api/reading.ts'
import { auditPages, type Verdict, verifyLog } from '../../src/cli/auditing.ts'
import type { Store } from '../../src/store/store.ts'
import { memoryAgent } from '../reconcile/agent.ts'
import { noNames } from '../reconcile/names/none.ts'

/** `state`: where the agent would keep what it has seen. */
export function verdictOf(store: Store, state: string, most = 2): Promise<Verdict> {
  const reader = new GatewayReader({ store, agent: memoryAgent(), names: noNames })
  const audit = async ({ after }: { readonly after?: number | undefined }) => {
    const page = await reader.audit(after, most, { generation: 0 })
    return JSON.parse(JSON.stringify(page)) as typeof page
  }
  return verifyLog(auditPages({ audit }, { after: 0 }), state)
}
