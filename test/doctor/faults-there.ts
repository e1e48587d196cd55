/** Faults of the way to the target, of the target, and of the way back. */
import { asks, begin, end, type Fault, program, type Scene, sh, web } from './scene.ts'

export const behind = {
  prepare: ({ lab }: Scene) =>
    Promise.all([
      sh(lab.server, 'ip address replace 10.9.0.5/32 dev lo'),
      sh(lab.gateway, 'ip route replace 10.9.0.0/16 via 10.0.0.5'),
    ]),
  opens: () => ({ ...web, to: '10.9.0.5:80' }),
}

const portOpen = (protocol: 'tcp' | 'udp', port: number) => (scene: Scene) =>
  begin(scene, `${protocol}${port}`, scene.lab.server.answers(protocol, port))
const portShut = (protocol: 'tcp' | 'udp', port: number) => (scene: Scene) => end(scene, `${protocol}${port}`)

export const drop =
  (rules: string) =>
  ({ lab }: Scene) =>
    lab.server.nft(`table inet own { chain i { type filter hook input priority 0; ${rules}\n}\n}`)
export const admit = ({ lab }: Scene) => lab.server.nft('delete table inet own')

/** Listens on the port and does this with every connection. */
const serverThat = (does: string, port: number, host = '0.0.0.0') =>
  `require('net').createServer((s) => { s.on('error', () => {}); ${does} }).listen(${port}, '${host}', () => console.log('ready'))`

export const faultsThere: readonly Fault[] = [
  {
    ...behind,
    name: 'a route says that the target is not to be reached',
    code: 'no-route',
    inject: ({ lab }) => sh(lab.gateway, 'ip route add unreachable 10.9.0.5'),
    mend: 'command',
  },
  {
    name: 'a blackhole route to the target',
    code: 'no-route',
    inject: ({ lab }) => sh(lab.gateway, 'ip route add blackhole 10.0.0.5'),
    mend: 'command',
  },
  {
    ...behind,
    name: 'no route at all',
    code: 'no-route',
    inject: ({ lab }) => sh(lab.gateway, 'ip route del 10.9.0.0/16; ip route del default'),
    mend: ({ lab }) =>
      sh(lab.gateway, 'ip route replace 10.9.0.0/16 via 10.0.0.5; ip route replace default via 203.0.113.2'),
  },
  {
    ...behind,
    name: 'target looked for behind the default route',
    code: 'wrong-route',
    inject: ({ lab }) => sh(lab.gateway, 'ip route del 10.9.0.0/16'),
    mend: ({ lab }) => sh(lab.gateway, 'ip route replace 10.9.0.0/16 via 10.0.0.5'),
  },
  {
    name: 'inside interface without a carrier',
    code: 'no-carrier',
    inject: ({ lab }) => sh(lab.switch, 'ip link set gateway down'),
    mend: ({ lab }) => sh(lab.switch, 'ip link set gateway up'),
  },
  {
    name: 'target switched off',
    code: 'no-neighbour',
    inject: ({ lab }) => sh(lab.switch, 'ip link set server down'),
    mend: ({ lab }) => sh(lab.switch, 'ip link set server up'),
  },
  {
    name: 'nobody has the address of the target',
    code: 'no-neighbour',
    prepare: ({ lab }) => sh(lab.server, 'ip address replace 10.0.0.7/24 dev eth0'),
    opens: () => ({ ...web, to: '10.0.0.7:80' }),
    inject: ({ lab }) =>
      Promise.all([
        sh(lab.server, 'ip address del 10.0.0.7/24 dev eth0'),
        sh(lab.gateway, 'ip neigh flush dev in0'),
      ]),
    mend: ({ lab }) => sh(lab.server, 'ip address replace 10.0.0.7/24 dev eth0'),
  },
  {
    name: 'nothing listens at the target',
    code: 'nothing-listens',
    symptom: 'connection refused',
    prepare: portOpen('tcp', 81),
    opens: () => ({ ...web, to: '10.0.0.5:81' }),
    inject: portShut('tcp', 81),
    mend: portOpen('tcp', 81),
    tidy: portShut('tcp', 81),
  },
  {
    name: 'nothing listens at the target, UDP',
    code: 'nothing-listens',
    prepare: portOpen('udp', 81),
    opens: () => ({ ...web, listen: 'udp/8080', to: '10.0.0.5:81' }),
    inject: portShut('udp', 81),
    mend: portOpen('udp', 81),
    tidy: portShut('udp', 81),
    works: (scene) => asks(scene, { protocol: 'udp' }),
  },
  {
    name: 'the target listens on loopback alone',
    code: 'nothing-listens',
    prepare: portOpen('tcp', 82),
    opens: () => ({ ...web, to: '10.0.0.5:82' }),
    inject: async (scene) => {
      await portShut('tcp', 82)(scene)
      await begin(scene, 'loopback', scene.lab.server.answers('tcp', 82, { address: '127.0.0.1' }))
    },
    mend: async (scene) => {
      await end(scene, 'loopback')
      await portOpen('tcp', 82)(scene)
    },
    tidy: portShut('tcp', 82),
  },
  {
    name: 'TCP asked and UDP there',
    code: 'other-protocol',
    symptom: 'ECONNREFUSED',
    prepare: async (scene) => {
      await portOpen('tcp', 83)(scene)
      await portOpen('udp', 83)(scene)
    },
    opens: () => ({ ...web, to: '10.0.0.5:83' }),
    inject: portShut('tcp', 83),
    mend: portOpen('tcp', 83),
    tidy: async (scene) => {
      await portShut('tcp', 83)(scene)
      await portShut('udp', 83)(scene)
    },
  },
  {
    name: 'UDP asked and TCP there',
    code: 'other-protocol',
    prepare: async (scene) => {
      await portOpen('tcp', 83)(scene)
      await portOpen('udp', 83)(scene)
    },
    opens: () => ({ ...web, listen: 'udp/8080', to: '10.0.0.5:83' }),
    inject: portShut('udp', 83),
    mend: portOpen('udp', 83),
    tidy: async (scene) => {
      await portShut('tcp', 83)(scene)
      await portShut('udp', 83)(scene)
    },
    works: (scene) => asks(scene, { protocol: 'udp' }),
  },
  {
    name: 'the firewall of the target drops',
    code: 'target-silent',
    symptom: 'timed out',
    inject: drop('tcp dport 80 drop'),
    mend: admit,
  },
  {
    name: 'the firewall of the target drops everything',
    code: 'target-silent',
    inject: drop('drop'),
    mend: admit,
  },
  {
    name: 'the firewall of the target rejects',
    code: 'target-rejects',
    symptom: 'no route to host',
    inject: drop('tcp dport 80 reject with icmpx type admin-prohibited'),
    mend: admit,
  },
  {
    name: 'the target takes connections and closes them',
    code: 'accepts-and-closes',
    symptom: 'TLS handshake failed',
    prepare: portOpen('tcp', 84),
    opens: () => ({ ...web, to: '10.0.0.5:84' }),
    inject: async (scene) => {
      await portShut('tcp', 84)(scene)
      await program(scene, 'closer', scene.lab.server, serverThat('s.end()', 84))
    },
    mend: async (scene) => {
      await end(scene, 'closer')
      await portOpen('tcp', 84)(scene)
    },
    tidy: portShut('tcp', 84),
  },
  {
    name: 'the target resets connections that it has taken',
    code: 'accepts-and-closes',
    symptom: 'connection reset by peer',
    prepare: portOpen('tcp', 84),
    opens: () => ({ ...web, to: '10.0.0.5:84' }),
    inject: async (scene) => {
      await portShut('tcp', 84)(scene)
      await program(scene, 'closer', scene.lab.server, serverThat('s.resetAndDestroy()', 84))
    },
    mend: async (scene) => {
      await end(scene, 'closer')
      await portOpen('tcp', 84)(scene)
    },
    tidy: portShut('tcp', 84),
  },
  {
    name: 'the target has no route back to the client',
    code: 'no-way-back',
    inject: ({ lab }) => sh(lab.server, 'sleep 1; ip route del default'),
    mend: 'fix',
    tidy: ({ lab }) => sh(lab.server, 'ip route replace default via 10.0.0.1'),
  },
  {
    name: 'the target answers by another router',
    code: 'no-way-back',
    inject: ({ lab }) => sh(lab.server, 'sleep 1; ip route replace default via 10.0.0.6'),
    mend: 'fix',
    tidy: ({ lab }) => sh(lab.server, 'ip route replace default via 10.0.0.1'),
  },
  {
    name: 'packets to the target are lost now and then',
    code: 'loss',
    symptom: 'intermittent loss',
    inject: ({ lab }) =>
      lab.server.nft(
        'table inet own { chain i { type filter hook prerouting priority -300; numgen random mod 100 < 40 drop\n}\n}',
      ),
    mend: admit,
    partial: true,
  },
]
