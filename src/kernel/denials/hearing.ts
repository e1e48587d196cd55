/** Notifications of nftables -> what they change in places of interest, transaction by transaction. */
import { answerAttributes, attributeIn, nftMessage, textOf } from '../nfnetlink.ts'
import { type Raw, rawIn } from '../others/sets.ts'
import { ruleIn } from '../ruleset.ts'
import { entriesOf } from './entries.ts'
import { type DenialChange, familyName, type Interest, isAmong, type Place } from './places.ts'
import { ruleEntry } from './reading.ts'

const NEWRULE = nftMessage(6)
const DELRULE = nftMessage(8)
const NEWCHAIN = nftMessage(3)
const DELCHAIN = nftMessage(5)
const NEWSETELEM = nftMessage(12)
const DELSETELEM = nftMessage(14)
const [TABLE, SECOND, CHAIN_NAME] = [1, 2, 3]

/** A transaction that changes more than this is not told one by one. */
const most = 20_000

export interface Hearing {
  /** One message, which begins with its nfgenmsg. */
  hear(type: number, message: Buffer): void
  /**
   * Ends the transaction. `changes`: what it did in places of interest, in its order; null when such a place came or
   * went, or too much has happened: then all must be read.
   */
  end(): readonly DenialChange[] | null
}

interface Group {
  readonly place: Place
  readonly adds: boolean
  readonly raw: Raw[]
}

export function hearingOf(interest: Interest): Hearing {
  let groups: (Group | DenialChange)[] = []
  let count = 0
  let whole = false

  const elements = (place: Place, adds: boolean, message: Buffer) => {
    const raw = rawIn(message.subarray(4))
    count += raw.length
    const last = groups.at(-1)
    if (last && 'raw' in last && last.adds === adds && isSame(last.place, place)) last.raw.push(...raw)
    else groups.push({ place, adds, raw })
  }

  return {
    hear(type, message) {
      const family = familyName(message.readUInt8(0))
      const inside = message.subarray(4)
      const table = textOf(attributeIn(inside, TABLE))
      if (whole || !family) return
      if (type === NEWRULE || type === DELRULE) {
        const name = textOf(attributeIn(inside, SECOND))
        if (!isAmong(interest.chains, name)) return
        const rule = ruleIn(answerAttributes(message))
        const added = type === NEWRULE ? (ruleEntry(rule) ?? []) : []
        const removed = type === DELRULE ? [String(rule.handle)] : []
        count += 1
        groups.push({ place: { kind: 'chain', family, table, name }, added: [added].flat(), removed })
      } else if (type === NEWCHAIN || type === DELCHAIN) {
        whole = isAmong(interest.chains, textOf(attributeIn(inside, CHAIN_NAME)))
      } else if (!isAmong(interest.tables, table)) {
        return
      } else if (type === NEWSETELEM || type === DELSETELEM) {
        const place: Place = { kind: 'set', family, table, name: textOf(attributeIn(inside, SECOND)) }
        elements(place, type === NEWSETELEM, message)
      } else whole = true
      whole ||= count > most
    },
    end() {
      const changes = groups.map((group) => ('raw' in group ? changeOf(group) : group))
      const found = whole || changes.includes(null) ? null : changes.filter((change) => change !== null)
      groups = []
      count = 0
      whole = false
      return found
    },
  }
}

function isSame(a: Place, b: Place): boolean {
  return a.name === b.name && a.table === b.table && a.family === b.family && a.kind === b.kind
}

/** Null where there are ends of intervals: what lies between them is a matter of the whole set. */
function changeOf({ place, adds, raw }: Group): DenialChange | null {
  if (raw.some(({ end }) => end)) return null
  const entries = entriesOf(raw)
  return adds
    ? { place, added: entries, removed: [] }
    : { place, added: [], removed: entries.map(({ id }) => id) }
}
