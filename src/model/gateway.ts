/** The whole desired state of one machine. */
import { parsePrefix, printPrefix } from './address.ts'
import { type GatewayDocument, gatewayDocument, readDocument } from './document.ts'
import { type Forward, parseForward, printForward } from './forward.ts'
import { Problem, shown } from './problem.ts'
import type { List } from './sources.ts'
import { parseName } from './text.ts'

/** The bits of the conntrack mark that say "a forward of ours made this connection"; the other bits are left alone. */
export interface Mark {
  readonly value: number
  readonly mask: number
}

export interface Settings {
  /** Ports below 1024 may be opened without saying so each time. */
  readonly privileged: boolean
  readonly mark: Mark
  /** Every forward is kept shut, whatever else is said. Not part of a gateway file. */
  readonly locked: boolean
}

export const defaultSettings: Settings = {
  privileged: false,
  mark: { value: 0x2db00000, mask: 0xfff00000 },
  locked: false,
}

/** A forward with the number that stands for it in the kernel: given once by the store, never given again. */
export interface Numbered {
  readonly number: number
  readonly forward: Forward
}

/** What a gateway file says. */
export interface Written {
  /** What the file says of the settings; what it leaves out stays as it is, or becomes the default with `prune`. */
  readonly settings: Partial<Pick<Settings, 'privileged' | 'mark'>>
  readonly lists: readonly List[]
  readonly forwards: readonly Forward[]
}

/** Parses a gateway document, each part by itself; the rules between forwards are the register's. Throws a Problem. */
export function parseGateway(document: unknown): Written {
  refuseListNames(document)
  const doc = readDocument(gatewayDocument, '', document)
  return {
    settings: {
      ...(doc.privileged !== undefined && { privileged: doc.privileged }),
      ...(doc.mark !== undefined && { mark: parseMark('mark', doc.mark) }),
    },
    lists: Object.entries(doc.lists ?? {}).map(([name, entries]) => parseList(name, entries)),
    forwards: (doc.forwards ?? []).map((one, index) => parseForward(one, `forwards[${index}]`)),
  }
}

/** Before anything else: a name such as __proto__ would be lost on the way, and no other may stand in an error. */
function refuseListNames(document: unknown): void {
  const { lists } = (document ?? {}) as { lists?: unknown }
  if (lists === null || typeof lists !== 'object') return
  for (const name of Object.keys(lists)) parseName('lists', name)
}

/** Words that mean something else where a list is named. */
const reserved = new Set(['anywhere', 'nobody', 'any'])

export function parseList(name: string, entries: readonly string[]): List {
  const field = `lists.${parseName('lists', name)}`
  if (reserved.has(name)) throw Problem.of('bad-name', { field: 'lists', value: shown(name) })
  const prefixes = entries.map((entry, index) => parsePrefix(`${field}[${index}]`, entry.trim()))
  const byText = new Map(prefixes.map((prefix) => [printPrefix(prefix), prefix]))
  return { name, prefixes: [...byText.values()] }
}

/** Parses `0x2db00000/0xfff00000`. */
export function parseMark(field: string, text: string | undefined): Mark {
  if (text === undefined) return defaultSettings.mark
  const match = /^0x([0-9a-f]{1,8})\/0x([0-9a-f]{1,8})$/i.exec(text.trim())
  const [value, mask] = [Number.parseInt(match?.[1] ?? '', 16), Number.parseInt(match?.[2] ?? '', 16)]
  if (!(value > 0 && mask > 0) || (value & mask) >>> 0 !== value) {
    const expected = 'a conntrack mark and its mask such as 0x2db00000/0xfff00000, the value inside the mask'
    throw Problem.of('bad-value', { field, value: shown(text), expected })
  }
  return { value, mask }
}

export function printMark({ value, mask }: Mark): string {
  return `${hex(value)}/${hex(mask)}`
}

function hex(value: number): string {
  return `0x${value.toString(16).padStart(8, '0')}`
}

/** The canonical document of a gateway: parse(print(g)) equals g. */
export function printGateway({ settings, lists, forwards }: Written): GatewayDocument {
  return {
    version: 1,
    ...(settings.privileged !== undefined && { privileged: settings.privileged }),
    ...(settings.mark && { mark: printMark(settings.mark) }),
    ...(lists.length > 0 && {
      lists: Object.fromEntries(lists.map(({ name, prefixes }) => [name, prefixes.map(printPrefix)])),
    }),
    forwards: forwards.map(printForward),
  }
}
