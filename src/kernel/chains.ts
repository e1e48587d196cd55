/** The chains of other programs: which there are, and what their base chains do with what no rule of theirs decides. */
import type { ForeignChain } from '../model/foreign.ts'
import { untorn } from './dump.ts'
import type { Netlink } from './netlink.ts'
import {
  answerAttributes,
  attributes,
  NLM_F_DUMP,
  nftMessage,
  single,
  tableName,
  textOf,
} from './nfnetlink.ts'
import { type Place, readForwardVerdict } from './verdicts.ts'

const GETCHAIN = nftMessage(4)
/** Source: enum nft_chain_attributes and nft_hook_attributes in include/uapi/linux/netfilter/nf_tables.h. */
const chain = { table: 1, name: 3, hook: 4, policy: 5, type: 7 } as const
const hook = { number: 1, priority: 2 } as const
const families: Readonly<Record<number, ForeignChain['family']>> = { 1: 'inet', 2: 'ip', 10: 'ip6' }
const hooks = ['prerouting', 'input', 'forward', 'output', 'postrouting'] as const
const NF_DROP = 0
const own = new Set([tableName, `${tableName}_anchor`])

export function readForeignChains(netlink: Netlink): ForeignChain[] {
  const request = single(GETCHAIN, NLM_F_DUMP, 0, () => {})
  return untorn(netlink, (reader) =>
    reader.request(request, 'reading chains').flatMap(({ body }) => {
      const parts = answerAttributes(body)
      const [number, table, name] = [
        body.readUInt8(0),
        textOf(parts.get(chain.table)),
        textOf(parts.get(chain.name)),
      ]
      const family = families[number]
      if (!family || own.has(table)) return []
      return [{ family, table, name, base: baseOf(reader, { family: number, table, name }, parts) }]
    }),
  )
}

function baseOf(netlink: Netlink, at: Place, parts: ReadonlyMap<number, Buffer>): ForeignChain['base'] {
  const hooked = attributes(parts.get(chain.hook) ?? Buffer.alloc(0))
  const number = hooked.get(hook.number)?.readUInt32BE()
  if (number === undefined) return null
  const base = {
    hook: hooks[number] ?? 'prerouting',
    priority: hooked.get(hook.priority)?.readInt32BE() ?? 0,
    type: textOf(parts.get(chain.type)),
    drops: parts.get(chain.policy)?.readUInt32BE() === NF_DROP,
  } as const
  if (base.hook !== 'forward') return { ...base, ending: null, admits: [] }
  const { end, admits } = readForwardVerdict(netlink, at)
  const ending =
    end === 'drops' ? 'its last rule drops' : end === 'goes on' && base.drops ? 'policy drop' : null
  return { ...base, ending, admits }
}
