/** Which questions are put now, and which wait: many at a time, but not all at once. */

/** Whether the last question about a name had a good answer. */
type Lane = 'good' | 'troubled'

export interface Queue {
  add(lane: Lane, name: string): void
  /** Puts what may be put. */
  drain(): void
  /** Some time has passed: so many may be put again. */
  refill(): void
}

/** Questions under way, and of those at most so many in trouble: a dead server must not hold up the rest. */
const atOnce = 64
const inTrouble = 32
/** Between two refills. A question takes a quarter of a millisecond of the processor, and the controller has other things to do. */
const perRefill = 50
const perRefillInTrouble = 10

/** `put` resolves when the answer is there; `waits` is called when questions wait for the next refill. */
export function questionQueue(put: (name: string) => Promise<void>, waits: () => void): Queue {
  const waiting: Record<Lane, string[]> = { good: [], troubled: [] }
  const underWay: Record<Lane, number> = { good: 0, troubled: 0 }
  const spent: Record<Lane, number> = { good: 0, troubled: 0 }
  const sum = (counts: Record<Lane, number>) => counts.good + counts.troubled

  const may = (lane: Lane) => {
    if (waiting[lane].length === 0 || sum(underWay) >= atOnce || sum(spent) >= perRefill) return false
    return lane === 'good' || (underWay.troubled < inTrouble && spent.troubled < perRefillInTrouble)
  }

  const start = (lane: Lane) => {
    underWay[lane] += 1
    spent[lane] += 1
    void put(waiting[lane].shift() ?? '').finally(() => {
      underWay[lane] -= 1
      drain()
    })
  }

  const drain = () => {
    while (may('troubled')) start('troubled')
    while (may('good')) start('good')
    if (sum(spent) >= perRefill || spent.troubled >= perRefillInTrouble) waits()
  }

  return {
    add: (lane, name) => void waiting[lane].push(name),
    drain,
    refill: () => {
      spent.good = 0
      spent.troubled = 0
    },
  }
}
