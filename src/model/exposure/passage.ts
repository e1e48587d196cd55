/** The way of a first packet from outside through the hooks of others: before DNAT, at DNAT, and to this machine or on. */
import { answersHere, answersToOutside, answersToTarget } from './answers.ts'
import { type Box, withoutBoxes } from './box.ts'
import { circumstancesOf, type Own, type Stage } from './circumstances.ts'
import type { Closed, Packets } from './packet.ts'
import { everyOf, meet, without } from './ranges.ts'
import type { BaseChain } from './rules.ts'
import { bitsOf, chainsOf, everything, rangeOfAddress, type Scene } from './scene.ts'
import { type Translation, walkChain } from './walk.ts'

export interface Passed {
  /** Packets that come to their end: this machine, or whom a rule sends them to. */
  readonly open: readonly Packets[]
  readonly closed: readonly Closed[]
}

/** Where our own chains stand (`dstnat - 5`). */
const ourPriority = -105

/** Up to where our own forwards take packets; what others translate before is gone from there. */
export function passToForwards(scene: Scene): Passed & { readonly taken: readonly Packets[] } {
  const arrived = passDevices(scene, [everything(scene)])
  const answered = answersToOutside(scene, arrived.open)
  const before = passPrerouting(scene, answered.open, ({ priority }) => priority < ourPriority)
  return { ...before, closed: [...keptOut(scene), ...arrived.closed, ...answered.closed, ...before.closed] }
}

/** Whom rp_filter keeps out. */
function keptOut(scene: Scene): readonly Closed[] {
  const one = everything(scene)
  const source = without(everyOf(bitsOf[scene.family]), scene.sources)
  const place = { table: '', chain: 'rp_filter', handle: 0, words: `rp_filter of ${scene.interface}` }
  return source.length === 0 ? [] : [{ packets: { ...one, box: { ...one.box, source } }, place }]
}

/** Past the devices that the interface stands on, and the bridges between them. */
function passDevices(scene: Scene, packets: readonly Packets[]): Passed {
  let open = packets
  const closed: Closed[] = []
  for (const { name, isPort } of scene.arrival.devices) {
    const chains = [
      ...chainsOf(scene, 'ingress', undefined, name),
      ...(isPort ? [...chainsOf(scene, 'bridge prerouting'), ...chainsOf(scene, 'bridge input')] : []),
    ]
    for (const chain of chains) {
      const spot = { stage: 'here', device: name } as const
      const walked = walkChain(scene.filters, chain, open, circumstancesOf(scene, chain, spot))
      open = [...walked.accepted, ...walked.translated.map(({ packets: one }) => one)]
      closed.push(...walked.closed)
    }
  }
  return { open, closed }
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
  const translated = [...behind.taken, ...early.open]
  const here = passHook(scene, [...behind.open, ...translated.filter((one) => isHere(scene, one))], 'input')
  const answered = answersHere(scene, here.open)
  const away = passAway(
    scene,
    translated.filter((one) => !isHere(scene, one)),
  )
  return {
    open: [...answered.open, ...away.open],
    closed: [
      ...before.closed,
      ...behind.closed,
      ...early.closed,
      ...here.closed,
      ...answered.closed,
      ...away.closed,
    ],
  }
}

/**
 * What a forward opens of this machine's own: every port, from anybody. It is not translated, and what rules of NAT behind
 * ours translate then is not for the service any more.
 */
export function passToOpened(scene: Scene, before: ReturnType<typeof passToForwards>, mark: number): Passed {
  const behind = passPrerouting(scene, before.open, ({ priority }) => priority >= ourPriority)
  const own = { address: '', mark: BigInt(mark), stage: 'opened' } as const
  const here = passHook(scene, behind.open, 'input', undefined, own)
  const answered = answersHere(scene, here.open, { stage: 'opened', own })
  return {
    open: answered.open,
    closed: [...before.closed, ...behind.closed, ...here.closed, ...answered.closed],
  }
}

/** What a forward of ours has translated to this target: every port of it, from anybody. */
export function passToTarget(scene: Scene, target: string, mark: number): Passed {
  const one = everything(scene)
  const translated = { ...one, box: { ...one.box, address: rangeOfAddress(target) } }
  const own = { address: target, mark: BigInt(mark), stage: 'ours' } as const
  const later = ({ priority, type }: BaseChain) => priority >= ourPriority && type === 'filter'
  const before = passHook(scene, [translated], 'prerouting', later, own)
  const after = passAway(scene, before.open, own)
  return { open: after.open, closed: [...before.closed, ...after.closed] }
}

/** On to another host, and what it answers back. */
function passAway(scene: Scene, packets: readonly Packets[], own?: Own): Passed {
  const closed: Closed[] = []
  const open: Packets[] = []
  for (const [target, some] of Map.groupBy(packets, ({ translated }) => targetOf(translated))) {
    const to = own ?? { address: target, mark: 0n }
    const way = scene.ways[to.address]
    let here: readonly Packets[] = some
    const through = (hook: BaseChain['hook'], device?: string) => {
      const passed = passHook(scene, here, hook, () => true, own, device)
      here = passed.open
      closed.push(...passed.closed)
    }
    through('forward')
    through('postrouting')
    if (way !== undefined && scene.bridges.has(way)) {
      through('bridge output')
      through('bridge postrouting')
    }
    if (way !== undefined) through('egress', way)
    const answered = answersToTarget(scene, here, own ? { stage: 'ours', own } : { stage: 'away', own: to })
    open.push(...answered.open)
    closed.push(...answered.closed)
  }
  return { open, closed }
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
    const walked = walkChain(scene.filters, chain, here, circumstancesOf(scene, chain, { stage: 'here' }))
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
  device?: string,
): Passed {
  let open = packets
  const closed: Closed[] = []
  for (const chain of chainsOf(scene, hook, which, device)) {
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
    const spot = { stage, own: own ?? { address: target, mark: 0n } }
    const walked = walkChain(scene.filters, chain, some, circumstancesOf(scene, chain, spot))
    open.push(...walked.accepted, ...walked.translated.map(({ packets: one }) => one))
    closed.push(...walked.closed)
  }
  return { open, closed }
}

function targetOf(translated: Packets['translated']): string {
  return translated?.address ?? ''
}
