/**
 * The answer to a first packet, back through the hooks of others. Who gets none has no connection by TCP and no echo; a datagram
 * has reached its service all the same, so of UDP and of other protocols answers are not asked about.
 */

import { circumstancesOf, type Spot } from './circumstances.ts'
import type { Closed, Packets } from './packet.ts'
import type { Passed } from './passage.ts'
import type { BaseChain } from './rules.ts'
import { chainsOf, type Scene } from './scene.ts'
import { walkChain } from './walk.ts'

/** Past the devices that it leaves by: there it has the address and the port that were asked for, whoever has answered. */
export function answersToOutside(scene: Scene, packets: readonly Packets[]): Passed {
  let passed: Passed = { open: packets, closed: [] }
  for (const { name, isPort } of scene.arrival.devices.toReversed()) {
    const chains = [
      ...(isPort ? [...chainsOf(scene, 'bridge output'), ...chainsOf(scene, 'bridge postrouting')] : []),
      ...chainsOf(scene, 'egress', undefined, name),
    ]
    const further = back(scene, passed.open, chains, { stage: 'here', device: name })
    passed = { open: further.open, closed: [...passed.closed, ...further.closed] }
  }
  return passed
}

/** Of a service of this machine. */
export function answersHere(
  scene: Scene,
  packets: readonly Packets[],
  spot: Spot = { stage: 'here' },
): Passed {
  return back(scene, packets, [...filtering(scene, 'output'), ...filtering(scene, 'postrouting')], spot)
}

/** Of another host, to which the first packet was translated. */
export function answersToTarget(scene: Scene, packets: readonly Packets[], spot: Spot): Passed {
  const way = scene.ways[spot.own?.address ?? '']
  const chains = [
    ...(way === undefined ? [] : chainsOf(scene, 'ingress', undefined, way)),
    ...(['prerouting', 'forward', 'postrouting'] as const).flatMap((hook) => filtering(scene, hook)),
  ]
  return back(scene, packets, chains, spot)
}

/** No answer comes to a chain of NAT. */
const filtering = (scene: Scene, hook: BaseChain['hook']) =>
  chainsOf(scene, hook, ({ type }) => type === 'filter')

function back(scene: Scene, packets: readonly Packets[], chains: readonly BaseChain[], spot: Spot): Passed {
  if (chains.length === 0 || (scene.protocol !== 'tcp' && scene.protocol !== 'icmp'))
    return { open: packets, closed: [] }
  let open = packets.map((one) => turned({ ...one, came: one }))
  const closed: Closed[] = []
  for (const chain of chains) {
    const walked = walkChain(
      scene.filters,
      chain,
      open,
      circumstancesOf(scene, chain, { ...spot, answer: true }),
    )
    open = [...walked.accepted, ...walked.translated.map(({ packets: one }) => one)]
    closed.push(...walked.closed)
  }
  return {
    open: open.map(returned),
    closed: closed.map((one) => ({ ...one, packets: returned(one.packets) })),
  }
}

/** Source and destination change places. */
function turned({ box, ...rest }: Packets): Packets {
  const { port, address, source, sourcePort } = box
  return { ...rest, box: { port: sourcePort, address: source, source: address, sourcePort: port } }
}

/** As the first packet was, admitted by what admitted that. */
function returned({ came, ...rest }: Packets): Packets {
  return { ...turned(rest), ...(came && { admitted: came.admitted, named: came.named }) }
}
