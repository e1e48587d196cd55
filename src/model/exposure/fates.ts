/** What becomes of packets in the end, each once. */
import { type Box, coalesced, meetBox, withoutBox, withoutBoxes } from './box.ts'
import { askedFor, type Packets } from './packet.ts'
import type { Passed } from './passage.ts'
import { joined, type Ranges } from './ranges.ts'
import { keyOfPlace } from './rules.ts'

/** The best that may become of each packet: what is open is not closed, whatever doubtful copies of it became. */
export interface Fate {
  readonly state: 'open' | 'unread' | 'closed'
  readonly packets: Packets
  /** What was asked for, before any translation. */
  readonly box: Box
  readonly place: Packets['admitted']
}

export function fatesOf({ open, closed }: Passed): readonly Fate[] {
  const certain = open.filter(({ doubt }) => doubt?.why !== 'unread')
  const opened = atRisk(
    alike(
      certain.map((packets) => ({ state: 'open', packets, box: askedFor(packets), place: packets.admitted })),
    ),
    closed,
  )
  const copies = alike(
    open
      .filter(({ doubt }) => doubt?.why === 'unread')
      .map((packets) => ({
        state: 'unread',
        packets,
        box: askedFor(packets),
        place: packets.doubt?.place ?? null,
      })),
  )
  const doubtful: Fate[] = []
  for (const fate of copies) {
    const rest = withoutBoxes([fate.box], boxesOf([...opened, ...doubtful]))
    doubtful.push(...rest.map((box): Fate => ({ ...fate, box })))
  }
  // Those of no doubt are no copies, so they are none of the others.
  const reached = boxesOf([...opened, ...doubtful].filter(({ packets }) => packets.doubt))
  const shut = closed.flatMap(({ packets, place }) =>
    packets.doubt
      ? []
      : withoutBoxes([askedFor(packets)], reached).map(
          (box): Fate => ({ state: 'closed', packets, box, place }),
        ),
  )
  return [...opened, ...doubtful, ...alike(shut)]
}

/** More than these are not told apart. */
const mostRisks = 500

/** A copy in doubt that was dropped says that a rule which cannot be read may drop the packets themselves. */
function atRisk(opened: readonly Fate[], closed: Passed['closed']): readonly Fate[] {
  const copies = closed.flatMap(({ packets }) =>
    packets.doubt?.why === 'unread' ? [{ place: packets.doubt.place, box: askedFor(packets) }] : [],
  )
  const risks = [...Map.groupBy(copies, ({ place }) => keyOfPlace(place)).values()].flatMap((some) =>
    coalesced(withoutOverlaps(boxesOf(some))).map((box) => ({ place: some[0]?.place ?? null, box })),
  )
  const [first] = risks
  if (first && risks.length > mostRisks)
    return opened.map((fate) => ({ ...fate, state: 'unread', place: first.place }))
  return risks.reduce<readonly Fate[]>(
    (fates, { place, box }) =>
      fates.flatMap((fate): readonly Fate[] => {
        const met = fate.state === 'open' ? meetBox(fate.box, box) : undefined
        if (!met) return [fate]
        const rest = withoutBox(fate.box, box).map((left) => ({ ...fate, box: left }))
        return [...rest, { ...fate, box: met, state: 'unread', place }]
      }),
    opened,
  )
}

function withoutOverlaps(boxes: readonly Box[]): readonly Box[] {
  const found: Box[] = []
  for (const box of boxes.slice(0, mostRisks)) found.push(...withoutBoxes([box], found))
  return found
}

const boxesOf = (fates: readonly { readonly box: Box }[]) => fates.map(({ box }) => box)

/** Those that the same rules have brought to the same end, in as few boxes as may be. */
function alike(fates: readonly Fate[]): readonly Fate[] {
  const key = ({ place, packets: { doubt, translated } }: Fate) =>
    [place, doubt, translated && [translated.place, translated.fromPort === null]]
      .map((part) => JSON.stringify(part))
      .join()
  return [...Map.groupBy(fates, key).values()].flatMap((some) =>
    coalesced(boxesOf(some)).map((box) => ({ ...(some[0] as Fate), box })),
  )
}

/** All the numbers of a field of several boxes. */
export function unionOf(boxes: readonly Box[], field: keyof Box): Ranges {
  return joined(boxes.flatMap((box) => box[field]))
}
