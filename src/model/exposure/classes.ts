/**
 * Ports and addresses that no rule tells apart: what is true of one of a class is true of all, so each class is looked at
 * once, however many forwards there are.
 */

import type { Filters, Row, Step } from './rules.ts'
import { rangeOfAddress } from './scene.ts'

export interface Classes {
  readonly ofPort: (port: number) => number
  readonly ofAddress: (address: string) => string
}

export function classesOf({ chains }: Filters): Classes {
  const [ports, addresses] = [new Set<bigint>(), { 4: new Set<bigint>(), 6: new Set<bigint>() }]
  const note = (
    edges: Set<bigint>,
    [low, high]: readonly [string, string],
    mask: string | null,
    bits: number,
  ) => {
    const free = mask === null ? 0n : ((1n << BigInt(bits)) - 1n) ^ BigInt(`0x${mask}`)
    edges.add(BigInt(`0x${low || '0'}`))
    edges.add((BigInt(`0x${high || '0'}`) | free) + 1n)
  }
  for (const { asked, rows } of Object.values(chains).flatMap(({ rules }) =>
    rules.flatMap((rule) => rule.steps.flatMap(asking)),
  ))
    for (const [at, { field, bits, mask }] of asked.entries()) {
      // An answer has the port and the address of the first packet as its source.
      const edges =
        field === 'port' || field === 'sourcePort'
          ? ports
          : field === 'address' || field === 'source'
            ? addresses[bits === 32 ? 4 : 6]
            : undefined
      if (edges) for (const row of rows) if (row[at]) note(edges, row[at], mask, bits)
    }
  const [sortedPorts, sorted4, sorted6] = [ports, addresses[4], addresses[6]].map(inOrder) as [
    bigint[],
    bigint[],
    bigint[],
  ]
  return {
    ofPort: (port) => classOf(sortedPorts, BigInt(port)),
    ofAddress: (address) => {
      const [family, sorted] = address.includes(':') ? [6, sorted6] : [4, sorted4]
      const number = sorted.length === 0 ? 0n : (rangeOfAddress(address)[0]?.first ?? 0n)
      return `${family}.${classOf(sorted, number)}`
    },
  }
}

function asking(step: Step): { asked: (Step & { kind: 'test' })['asked']; rows: readonly Row[] }[] {
  if (step.kind === 'test') return [step]
  return step.kind === 'branch' ? [{ asked: step.asked, rows: step.rows.map(({ row }) => row) }] : []
}

const inOrder = (edges: ReadonlySet<bigint>) => [...edges].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))

/** How many edges are not above the number. */
function classOf(edges: readonly bigint[], number: bigint): number {
  let [low, high] = [0, edges.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((edges[middle] as bigint) <= number) low = middle + 1
    else high = middle
  }
  return low
}
