/** Faults of lists, limits, other forwards and services of this machine; of routers, of IPv6, of pools, and of clients alone. */
import { again } from './faults-here.ts'
import { admit, behind, drop } from './faults-there.ts'
import { asks, begin, end, type Fault, type Opening, type Scene, sh, web } from './scene.ts'

const ownService = {
  prepare: (scene: Scene) => begin(scene, 'own', scene.lab.gateway.answers('tcp', 5432)),
  opens: (): Opening => ({ listen: 'tcp/5432', to: 'self', wishes: { name: 'web' } }),
  works: (scene: Scene) => asks(scene, {}, 5432),
  tidy: (scene: Scene) => end(scene, 'own'),
}

/** The service ends, and one like this begins in its place. */
const instead =
  (protocol: 'tcp' | 'udp', options: { readonly address?: string } = {}) =>
  async (scene: Scene) => {
    await end(scene, 'own')
    await begin(scene, 'own', scene.lab.gateway.answers(protocol, 5432, options))
  }

function withList({ drawbridge }: Scene, office: readonly string[]) {
  const forward = { name: 'web', listen: 'tcp/8080', to: '10.0.0.5:80', from: ['office'] }
  return drawbridge.api.apply({
    gateway: { version: 1, lists: { office: [...office] }, forwards: [forward] },
  })
}

const third = { from: '203.0.113.3', works: (scene: Scene) => asks(scene, { from: '203.0.113.3' }) }
const far = {
  from: '198.51.100.7',
  prepare: ({ lab }: Scene) => sh(lab.client, 'ip address replace 198.51.100.7/32 dev lo'),
  works: (scene: Scene) => asks(scene, { from: '198.51.100.7' }),
}

export const moreHere: readonly Fault[] = [
  {
    name: 'the list of its sources is empty',
    code: 'nobody-admitted',
    inject: (scene) => withList(scene, []),
    mend: (scene) => withList(scene, ['203.0.113.0/24']),
  },
  {
    name: 'the client is on no list any more',
    code: 'source-refused',
    from: '203.0.113.2',
    inject: (scene) => withList(scene, ['203.0.113.64/26']),
    mend: (scene) => withList(scene, ['203.0.113.0/24']),
  },
  {
    ...third,
    name: 'new connections beyond the limit',
    code: 'limited',
    inject: async (scene) => {
      await again(scene.drawbridge, { limits: { new_per_source: '1/m' } })
      for (let at = 0; at < 8; at += 1) await asks(scene, { from: '203.0.113.3', timeout: 150 })
    },
    mend: ({ drawbridge }) => again(drawbridge, { limits: { new_per_source: '100/s' } }),
  },
  {
    ...third,
    name: 'open connections at the limit',
    code: 'limited',
    inject: async (scene) => {
      await again(scene.drawbridge, { limits: { open_per_source: 1 } })
      const held = await scene.lab.client.holds(scene.lab.gateway.outside, 8080, { from: '203.0.113.3' })
      scene.ends.set('held', held.end)
    },
    mend: async (scene) => {
      await again(scene.drawbridge, { limits: { open_per_source: 100 } })
      await end(scene, 'held')
    },
  },
  {
    ...far,
    name: 'rp_filter is strict and the way back another',
    code: 'reverse-path',
    inject: async (scene) => {
      const { lab } = scene
      await sh(
        lab.gateway,
        'ip route replace 198.51.100.0/24 via 10.0.0.6; sysctl -qw net.ipv4.conf.out0.rp_filter=1',
      )
      const load = await lab.client.loads(lab.gateway.outside, 8080, { from: '198.51.100.7', timeout: 150 })
      scene.ends.set('load', load.end)
    },
    mend: ({ lab }) => sh(lab.gateway, 'ip route del 198.51.100.0/24'),
    tidy: async (scene) => {
      await end(scene, 'load')
      await sh(scene.lab.gateway, 'sysctl -qw net.ipv4.conf.out0.rp_filter=0')
    },
  },
  {
    ...ownService,
    name: 'a service of this machine has ended',
    code: 'own-not-listening',
    inject: (scene) => end(scene, 'own'),
    mend: (scene) => begin(scene, 'own', scene.lab.gateway.answers('tcp', 5432)),
  },
  {
    ...ownService,
    name: 'a service of this machine listens on loopback alone',
    code: 'own-loopback-only',
    inject: instead('tcp', { address: '127.0.0.1' }),
    mend: instead('tcp'),
  },
  {
    ...ownService,
    name: 'a service of this machine takes the other protocol',
    code: 'own-other-protocol',
    inject: instead('udp'),
    mend: instead('tcp'),
  },
  {
    ...ownService,
    name: 'a service of this machine listens on another address',
    code: 'own-other-address',
    opens: ({ lab }) => ({ listen: `tcp/5432@${lab.gateway.outside}`, to: 'self', wishes: { name: 'web' } }),
    inject: instead('tcp', { address: '10.0.0.1' }),
    mend: instead('tcp'),
  },
  {
    ...ownService,
    name: 'a rule made by hand drops what is for this machine',
    code: 'blocked',
    inject: ({ lab }) =>
      lab.gateway.nft(
        'table inet hand { chain i { type filter hook input priority 0; tcp dport 5432 drop\n}\n}',
      ),
    mend: 'command',
    tidy: async (scene) => {
      await scene.lab.gateway.nft('delete table inet hand')
      await end(scene, 'own')
    },
  },
]

const six = {
  from: '2001:db8:1::2',
  opens: () => ({ ...web, to: '[fd00::5]:80' }),
  works: (scene: Scene) => asks(scene, { from: '2001:db8:1::2' }),
}

/** A datagram that fills the cable; whoever is told of a smaller way sends it again in pieces. */
async function sendsLarge({ lab }: Scene): Promise<boolean> {
  for (let tries = 0; tries < 3; tries += 1) {
    const sent = await lab.client
      .exchanges(lab.gateway.outside, 8080, 'x'.repeat(1400), { protocol: 'udp', timeout: 400 })
      .catch(() => '')
    if (sent.length > 1400) return true
  }
  return false
}

function drained({ drawbridge }: Scene, drain: boolean) {
  const to = [80, 86].map((port) => ({ host: '10.0.0.5', port, ...(drain && { drain }) }))
  return drawbridge.api.apply({
    gateway: { version: 1, forwards: [{ name: 'web', listen: 'tcp/8080', to }] },
  })
}

export const moreThere: readonly Fault[] = [
  {
    name: 'the hardware address of the target is written by hand, and wrong',
    code: 'neighbour-fixed',
    inject: ({ lab }) =>
      sh(lab.gateway, 'ip neigh replace 10.0.0.5 lladdr 02:00:00:00:00:99 nud permanent dev in0'),
    mend: 'command',
  },
  {
    ...behind,
    name: 'the router towards the target is not there',
    code: 'no-neighbour',
    inject: ({ lab }) => sh(lab.gateway, 'ip route replace 10.9.0.0/16 via 10.0.0.99'),
    mend: ({ lab }) => sh(lab.gateway, 'ip route replace 10.9.0.0/16 via 10.0.0.5'),
  },
  {
    ...behind,
    name: 'the router towards the target sends nothing on',
    code: 'target-silent',
    inject: ({ lab }) => sh(lab.gateway, 'ip route replace 10.9.0.0/16 via 10.0.0.6'),
    mend: ({ lab }) => sh(lab.gateway, 'ip route replace 10.9.0.0/16 via 10.0.0.5'),
  },
  {
    ...six,
    name: 'a blackhole route to the target, IPv6',
    code: 'no-route',
    inject: ({ lab }) => sh(lab.gateway, 'ip -6 route add blackhole fd00::5'),
    mend: 'command',
  },
  {
    ...six,
    name: 'target switched off, IPv6',
    code: 'no-neighbour',
    inject: ({ lab }) => sh(lab.switch, 'ip link set server down'),
    mend: ({ lab }) => sh(lab.switch, 'ip link set server up'),
  },
  {
    ...six,
    name: 'the target has no route back to the client, IPv6',
    code: 'no-way-back',
    inject: ({ lab }) => sh(lab.server, 'ip -6 route del default'),
    mend: 'fix',
    tidy: ({ lab }) => sh(lab.server, 'ip -6 route replace default via fd00::1'),
  },
  {
    name: 'target of UDP switched off',
    code: 'no-neighbour',
    opens: () => ({ ...web, listen: 'udp/8080' }),
    inject: ({ lab }) => sh(lab.switch, 'ip link set server down'),
    mend: ({ lab }) => sh(lab.switch, 'ip link set server up'),
    works: (scene) => asks(scene, { protocol: 'udp' }),
  },
  {
    name: 'large packets are lost on the way',
    code: 'path-too-narrow',
    opens: () => ({ ...web, listen: 'tcp+udp/8080' }),
    inject: ({ lab }) => sh(lab.switch, 'ip link set server mtu 1280'),
    // The command is for this machine; the remedy says that the other end needs it too.
    mend: ({ lab }) =>
      Promise.all([sh(lab.gateway, 'ip link set in0 mtu 1280'), sh(lab.server, 'ip link set eth0 mtu 1280')]),
    works: sendsLarge,
    tidy: ({ lab }) =>
      Promise.all([
        sh(lab.gateway, 'ip link set in0 mtu 1500'),
        sh(lab.server, 'ip link set eth0 mtu 1500'),
        sh(lab.switch, 'ip link set server mtu 1500'),
        sh(lab.client, 'ip route flush cache'),
      ]),
  },
  {
    name: 'one of two targets has ended',
    code: 'nothing-listens',
    symptom: 'it works only sometimes',
    prepare: (scene) => begin(scene, 'second', scene.lab.other.answers('tcp', 85)),
    opens: () => ({ ...web, to: ['10.0.0.5:80', '10.0.0.6:85'] }),
    inject: (scene) => end(scene, 'second'),
    mend: (scene) => begin(scene, 'second', scene.lab.other.answers('tcp', 85)),
    tidy: (scene) => end(scene, 'second'),
    partial: true,
  },
  {
    name: 'every target is drained',
    code: 'no-target-takes',
    symptom: 'refused',
    prepare: (scene) => begin(scene, 'second', scene.lab.server.answers('tcp', 86)),
    opens: () => ({ ...web, to: ['10.0.0.5:80', '10.0.0.5:86'] }),
    inject: (scene) => drained(scene, true),
    mend: (scene) => drained(scene, false),
    tidy: (scene) => end(scene, 'second'),
  },
  {
    name: 'the target refuses the client and nobody else',
    code: 'refuses-clients',
    from: '203.0.113.2',
    inject: drop('ip saddr 203.0.113.2 tcp dport 80 reject with tcp reset'),
    mend: 'fix',
    tidy: admit,
  },
  {
    name: 'the firewall of the target drops clients and admits this machine',
    code: 'no-way-back',
    inject: drop('ip saddr != 10.0.0.0/24 drop'),
    mend: 'fix',
    tidy: admit,
  },
  {
    name: 'the target does not answer the ping that is forwarded to it',
    code: 'target-silent',
    opens: ({ lab }) => ({ ...web, listen: `icmp@${lab.gateway.second}`, to: '10.0.0.5' }),
    inject: drop('icmp type echo-request drop'),
    mend: admit,
    works: async ({ lab }) =>
      (await lab.client.tries('ping', ['-n', '-q', '-c', '1', '-W', '1', lab.gateway.second])).code === 0,
  },
]
