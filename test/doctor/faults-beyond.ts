/** Faults of routers, of IPv6, of pools, of the size of packets, and of clients alone. */
import { admit, behind, drop } from './faults-there.ts'
import { asks, begin, end, type Fault, type Scene, sh, web } from './scene.ts'

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
