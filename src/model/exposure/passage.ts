/** The way of a first packet from outside through the hooks of others: before DNAT, at DNAT, and to this machine or on. */
import ipaddr from 'ipaddr.js'
import type { Family } from '../address.ts'
import type { Transport } from '../listen.ts'
import { type Box, coalesced, withoutBoxes } from './box.ts'
import { circumstancesOf, type Own, type Stage } from './circumstances.ts'
import { askedFor, type Closed, type Packets } from './packet.ts'
import { everyOf, joined, meet, type Ranges } from './ranges.ts'
import type { BaseChain, FieldName, Filters } from './rules.ts'
import { type Translation, walkChain } from './walk.ts'

/** A kind of packets by one interface. */
export interface Scene {
  readonly family: Family
  readonly protocol: Transport
  readonly interface: string
  /** This machine's own. */
  readonly addresses: Ranges
  readonly filters: Filters
  /** Fields that some rule changes, so that nothing is known of them. */
  readonly altered: ReadonlySet<FieldName>
  /** The interface by which an address is reached. */
  readonly ways: Readonly<Record<string, string>>
  readonly budget: { left: number }
}

export interface Passed {
  /** Packets that come to their end: this machine, or whom a rule sends them to. */
  readonly open: readonly Packets[]
  readonly closed: readonly Closed[]
}

/** Where our own chains stand (`dstnat - 5`). */
const ourPriority = -105

const bits = { 4: 32, 6: 128 } as const

export function alteredBy({ chains }: Filters): ReadonlySet<FieldName> {
  const steps = Object.values(chains).flatMap(({ rules }) => rules.flatMap((rule) => rule.steps))
  return new Set(steps.flatMap((step) => (step.kind === 'alters' ? [step.field] : [])))
}

/** All that may come: any port of any of our addresses, from anybody. */
function everything({ family, addresses }: Scene): Packets {
  const box: Box = {
    port: [{ first: 1n, last: 65535n }],
    address: addresses,
    source: everyOf(bits[family]),
    sourcePort: everyOf(16),
  }
  return { box, doubt: null, admitted: null, named: false, translated: null }
}

/** Up to where our own forwards take packets; what others translate before is gone from there. */
export function passToForwards(scene: Scene): Passed & { readonly taken: readonly Packets[] } {
  return passPrerouting(scene, [everything(scene)], ({ priority }) => priority < ourPriority)
}

/** What is left by forwards, to the services of this machine and the targets of others. */
export function passToServices(
  scene: Scene,
  before: ReturnType<typeof passToForwards>,
  openings: readonly Partial<Box>[],
): Passed {
  const left = before.open.flatMap((one) => withoutBoxes([one.box], openings).map((box) => ({ ...one, box })))
  const behind = passPrerouting(scene, left, ({ priority }) => priority >= ourPriority)
  const after = ({ priority, type }: BaseChain) => priority >= ourPriority && type === 'filter'
  const early = passHook(scene, before.taken, 'prerouting', after)
  const closed: Closed[] = [...before.closed, ...behind.closed, ...early.closed]
  const open: Packets[] = []
  for (const [packets, hook] of [
    [behind.open, 'input'],
    [[...behind.taken, ...early.open].filter((one) => isHere(scene, one)), 'input'],
    [[...behind.taken, ...early.open].filter((one) => !isHere(scene, one)), 'forward'],
  ] as const) {
    const ended = passHook(scene, packets, hook)
    open.push(...ended.open)
    closed.push(...ended.closed)
  }
  return { open, closed }
}

/** What a forward of ours has translated to this target: every port of it, from anybody. */
export function passToTarget(scene: Scene, target: string, mark: number): Passed {
  const one = everything(scene)
  const translated = { ...one, box: { ...one.box, address: rangeOfAddress(target) } }
  const own = { address: target, mark: BigInt(mark), stage: 'ours' } as const
  const later = ({ priority, type }: BaseChain) => priority >= ourPriority && type === 'filter'
  const before = passHook(scene, [translated], 'prerouting', later, own)
  const after = passHook(scene, before.open, 'forward', () => true, own)
  return { open: after.open, closed: [...before.closed, ...after.closed] }
}

/**
 * What a forward opens of this machine's own: every port, from anybody. It is not translated, and what rules of NAT behind
 * ours translate then is not for the service any more.
 */
export function passToOpened(scene: Scene, mark: number): Passed {
  const before = passToForwards(scene)
  const behind = passPrerouting(scene, before.open, ({ priority }) => priority >= ourPriority)
  const own = { address: '', mark: BigInt(mark), stage: 'opened' } as const
  const after = passHook(scene, behind.open, 'input', () => true, own)
  return { open: after.open, closed: [...before.closed, ...behind.closed, ...after.closed] }
}

export function rangeOfAddress(text: string): Ranges {
  const hex = Buffer.from(ipaddr.parse(text).toByteArray()).toString('hex')
  return [{ first: BigInt(`0x${hex}`), last: BigInt(`0x${hex}`) }]
}

/** Chains of the hook, the lowest priority first. */
function chainsOf({ filters, family }: Scene, hook: BaseChain['hook'], which: (chain: BaseChain) => boolean) {
  return filters.bases
    .filter((chain) => chain.hook === hook && chain.families.includes(family) && which(chain))
    .sort((a, b) => a.priority - b.priority)
}

function passPrerouting(
  scene: Scene,
  packets: readonly Packets[],
  which: (chain: BaseChain) => boolean,
): Passed & { readonly taken: readonly Packets[] } {
  let here = packets
  let taken: Packets[] = []
  const closed: Closed[] = []
  for (const chain of chainsOf(scene, 'prerouting', which)) {
    const walked = walkChain(scene.filters, chain, here, circumstancesOf(scene, chain, 'here'))
    closed.push(...walked.closed)
    here = walked.accepted
    // A connection has one translation: chains of NAT behind it are not asked any more.
    const behind = chain.type === 'filter' ? passOne(scene, chain, taken) : { open: taken, closed: [] }
    closed.push(...behind.closed)
    taken = [
      ...behind.open,
      ...walked.translated.map(({ packets, place, to }) => translate(packets, place, to)),
    ]
  }
  return { open: here, taken, closed }
}

function translate(packets: Packets, place: Packets['admitted'] & object, to: Translation): Packets {
  const { box } = packets
  const ports = to.ports
  const translated = {
    place,
    address: to.known ? to.address : undefined,
    ports,
    fromPort: ports ? box.port : null,
    fromAddress: box.address,
  }
  const port = ports ? [{ first: BigInt(ports[0]), last: BigInt(ports[1]) }] : box.port
  const address = to.known && to.address ? rangeOfAddress(to.address) : box.address
  return { ...packets, box: { ...box, port, address }, translated }
}

function isHere({ addresses }: Scene, { box, translated }: Packets): boolean {
  if (!translated || translated.address === null) return true
  return translated.address !== undefined && meet(box.address, addresses).length > 0
}

function passHook(
  scene: Scene,
  packets: readonly Packets[],
  hook: BaseChain['hook'],
  which: (chain: BaseChain) => boolean = () => true,
  own?: Own,
): Passed {
  let open = packets
  const closed: Closed[] = []
  for (const chain of chainsOf(scene, hook, which)) {
    const passed = passOne(scene, chain, open, own)
    open = passed.open
    closed.push(...passed.closed)
  }
  return { open, closed }
}

/** Those of each translation have circumstances of their own. */
function passOne(
  scene: Scene,
  chain: BaseChain,
  packets: readonly Packets[],
  own?: Own,
): { open: Packets[]; closed: Closed[] } {
  const open: Packets[] = []
  const closed: Closed[] = []
  for (const [target, some] of Map.groupBy(packets, ({ translated }) => targetOf(translated))) {
    const [first] = some
    const stage: Stage = own
      ? own.stage
      : !first?.translated
        ? 'here'
        : isHere(scene, first)
          ? 'translated here'
          : 'away'
    const circumstances = circumstancesOf(scene, chain, stage, own ?? { address: target, mark: 0n })
    const walked = walkChain(scene.filters, chain, some, circumstances)
    open.push(...walked.accepted, ...walked.translated.map(({ packets: one }) => one))
    closed.push(...walked.closed)
  }
  return { open, closed }
}

function targetOf(translated: Packets['translated']): string {
  return translated?.address ?? ''
}

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
  const opened = alike(
    certain.map((packets) => ({ state: 'open', packets, box: askedFor(packets), place: packets.admitted })),
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

const boxesOf = (fates: readonly Fate[]) => fates.map(({ box }) => box)

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
