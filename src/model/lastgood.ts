/**
 * The last confirmed gateway, written into the boot file as comments beside what they mean to the kernel: one fsync makes
 * both durable, and it can be read when no store can. A change adds a line for each thing that it names.
 */
import { printPrefix } from './address.ts'
import { type ForwardDocument, forwardDocument, type GatewayDocument, readDocument } from './document.ts'
import { parseForward, printForward } from './forward.ts'
import { parseList, parseMark, printGateway, printMark } from './gateway.ts'
import type { Register } from './register.ts'

/** What a change says, as documents; the whole gateway when it is told after nothing. */
export interface Told {
  readonly mark: string
  readonly locked: boolean
  readonly lists: readonly { readonly name: string; readonly entries: readonly string[] }[]
  readonly removedLists: readonly string[]
  readonly forwards: readonly { readonly forward: ForwardDocument }[]
  readonly removed: readonly string[]
}

export interface LastGood {
  readonly generation: number
  /** The lockdown was on: no forward was open. */
  readonly locked: boolean
  readonly gateway: GatewayDocument
}

const mark = '#= '

export function tell({ settings, lists, forwards }: Register): Told {
  return {
    mark: printMark(settings.mark),
    locked: settings.locked,
    lists: [...lists.values()].map(({ name, prefixes }) => ({ name, entries: prefixes.map(printPrefix) })),
    removedLists: [],
    forwards: [...forwards.values()].map((forward) => ({ forward: printForward(forward) })),
    removed: [],
  }
}

export function printTold({ mark: bits, locked, lists, removedLists, forwards, removed }: Told): string {
  const facts = [
    { mark: bits, locked },
    ...removed.map((name) => ({ remove: name })),
    ...removedLists.map((name) => ({ removeList: name })),
    ...lists.map(({ name, entries }) => ({ list: name, entries })),
    ...forwards.map(({ forward }) => ({ forward })),
  ]
  return facts.map((fact) => `${mark}${JSON.stringify(fact)}\n`).join('')
}

interface Fact {
  readonly mark?: string
  readonly locked?: boolean
  readonly remove?: string
  readonly removeList?: string
  readonly list?: string
  readonly entries?: readonly string[]
  readonly forward?: unknown
}

const seal = /^(# end of generation (\d+), forwards [a-z0-9 ]*, sha256) ([0-9a-f]{64})$/gm

export interface Seal {
  /** Where it begins: what follows it was torn by a crash. */
  readonly at: number
  readonly generation: number
  /** What the digest covers: everything before it. */
  readonly covered: string
  /** SHA-256 in hexadecimal. */
  readonly digest: string
}

/** The last seal in a boot file, if there is one. */
export function lastSeal(text: string): Seal | undefined {
  const last = [...text.matchAll(seal)].at(-1)
  if (!last) return undefined
  const [, head = '', generation, digest = ''] = last
  const covered = text.slice(0, last.index) + head
  return { at: last.index, generation: Number(generation), covered, digest }
}

/** Reads what stands before a seal. Throws where it is not what was written. */
export function readLastGood(text: string, { at, generation }: Seal): LastGood {
  const lines = text.slice(0, at).split('\n')
  const facts = lines.filter((line) => line.startsWith(mark))
  const forwards = new Map<string, ReturnType<typeof parseForward>>()
  const lists = new Map<string, ReturnType<typeof parseList>>()
  let said: Fact = {}
  for (const line of facts) {
    const fact = JSON.parse(line.slice(mark.length)) as Fact
    if (fact.mark !== undefined) said = fact
    else if (fact.remove !== undefined) forwards.delete(fact.remove)
    else if (fact.removeList !== undefined) lists.delete(fact.removeList)
    else if (fact.list !== undefined) lists.set(fact.list, parseList(fact.list, fact.entries ?? []))
    else {
      const forward = parseForward(readDocument(forwardDocument, 'forward', fact.forward))
      forwards.set(forward.name, forward)
    }
  }
  const written = { lists: [...lists.values()], forwards: [...forwards.values()] }
  const bits = parseMark('mark', said.mark)
  const low = written.forwards.some(
    ({ listen }) => listen.kind === 'ports' && (listen.ports[0]?.first ?? 1024) < 1024,
  )
  const settings = { ...(low && { privileged: true }), mark: bits }
  const gateway = printGateway({ settings, ...written })
  return { generation, locked: said.locked ?? false, gateway }
}
