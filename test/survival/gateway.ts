/** What a gateway forwards, found out by packets, by its ruleset and by what a boot would make of its boot file. */
import { fileURLToPath } from 'node:url'
import type { Client } from '../../src/api/client.ts'
import { layoutOf } from '../../src/compile/sets.ts'
import type { Lab } from '../lab/lab.ts'
import { run } from '../lab/process.ts'

/** Who answers on each port, `tcp/8100` for example. */
export type Answers = Readonly<Record<string, string>>

export const ports = [8000, 8100, 8101, 8102, 8103] as const
const protocols = ['tcp', 'udp'] as const

/** Every port of these, both protocols, with the same answer; all others are refused. */
export function answering(who: Readonly<Record<number, string>>): Answers {
  return Object.fromEntries(
    ports.flatMap((port) => protocols.map((protocol) => [`${protocol}/${port}`, who[port] ?? 'refused'])),
  )
}

/** Asks every port over new connections. */
export async function probe({ client, gateway }: Lab): Promise<Answers> {
  const asked = ports.flatMap((port) =>
    protocols.map(async (protocol) => {
      const answer = client.asks(gateway.outside, port, { protocol, timeout: 8000 })
      const found = await answer.then(
        ({ identity }) => identity,
        ({ message }: Error) => message.split(': ').at(-1) ?? '',
      )
      return [`${protocol}/${port}`, found] as const
    }),
  )
  return Object.fromEntries(await Promise.all(asked))
}

const hosts: Readonly<Record<string, string>> = { '10.0.0.5': 'server', '10.0.0.6': 'other' }

/** What the store says that is open. */
export async function stored(api: Client): Promise<Answers> {
  const [{ forwards }, { locked }] = [await api.forwards(), await api.status(0)]
  const open = forwards.filter(({ state }) => state === 'on' && !locked)
  return answering(
    Object.fromEntries(
      open.map(({ forward }) => [
        Number(forward.listen.split('/')[1]),
        hosts[String(forward.to).split(':')[0] ?? ''] ?? '',
      ]),
    ),
  )
}

const restore = fileURLToPath(new URL('../../bin/drawbridge-restore', import.meta.url))
const list = 'nft -j -s list table inet drawbridge 2>/dev/null || echo "{}"'

/** The ruleset that a boot would make: drawbridge-restore in a network that holds nothing. */
export async function restored(state: string): Promise<string> {
  const script = `"$0" --state "$1" >/dev/null; ${list}`
  return plain(await run(['unshare', '--net', 'sh', '-ec', script, restore, state]))
}

/** The ruleset of the gateway. */
export async function ruleset({ gateway }: Lab): Promise<string> {
  return plain(await gateway.run('sh', ['-c', list]))
}

/** Of a ruleset, what is open: a boot after the end of a forward shuts its openings and leaves the rest to the agent. */
export function openingsIn(listing: string): string {
  const blocks = listing.split(/\n(?=\S)/)
  return blocks.filter((block) => /^\w+ .*"name":"(openings|pings)/.test(block)).join('\n')
}

interface Listed {
  readonly nftables?: readonly Readonly<Record<string, Readonly<Record<string, unknown>>>>[]
}

/** Without handles, counts, the order of elements, and what packets have put into sets. */
function plain(listing: string): string {
  const { nftables = [] } = JSON.parse(listing) as Listed
  const lines = nftables.flatMap((one) => {
    const [kind = '', value = {}] = Object.entries(one)[0] ?? []
    if (kind === 'metainfo') return []
    const { elem = [], handle: _handle, ...rest } = value as { elem?: readonly unknown[]; handle?: number }
    const isSet = kind === 'set' || kind === 'map'
    const byPackets = isSet && layoutOf((value as { name: string }).name).dynamic
    const elements = byPackets ? [] : elem.map((each) => `  ${text(each)}`).sort()
    return [`${kind} ${text(rest)}`, ...elements].join('\n')
  })
  // Rules follow each other within their chain; sets and chains are listed in the order in which they were made.
  const [rules, others] = [
    lines.filter((line) => line.startsWith('rule')),
    lines.filter((line) => !line.startsWith('rule')),
  ]
  return [...others.sort(), ...inChains(rules)].join('\n')
}

function inChains(rules: readonly string[]): string[] {
  const chainOf = (rule: string) => /"chain":"(\w+)"/.exec(rule)?.[1] ?? ''
  return [...Map.groupBy(rules, chainOf)].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([, group]) => group)
}

function text(value: unknown): string {
  return JSON.stringify(value, (key, inner: unknown) => (key === 'counter' ? undefined : inner))
}
