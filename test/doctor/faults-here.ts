/** Faults of the forward itself and of this machine. */
import { asks, type Fault, sh, web } from './scene.ts'

export const faultsHere: readonly Fault[] = [
  {
    name: 'switched off',
    code: 'disabled',
    inject: ({ drawbridge }) => drawbridge.api.disable({ names: ['web'] }),
    mend: 'fix',
  },
  {
    name: 'lockdown',
    code: 'locked',
    inject: ({ drawbridge }) => drawbridge.api.lockdown({ lift: false }),
    mend: 'fix',
  },
  {
    name: 'closed',
    code: 'gone',
    inject: ({ drawbridge }) => drawbridge.closes('web'),
    mend: ({ drawbridge }) => drawbridge.opens(web.listen, web.to, web.wishes),
  },
  {
    name: 'client not among the sources',
    code: 'source-refused',
    from: '203.0.113.2',
    opens: () => ({ ...web, wishes: { name: 'web', from: ['203.0.113.0/24'] } }),
    inject: ({ drawbridge }) => again(drawbridge, { from: ['203.0.113.3'] }),
    mend: ({ drawbridge }) => again(drawbridge, { from: ['203.0.113.3', '203.0.113.2'] }),
  },
  {
    name: 'client of the other family',
    code: 'family-missing',
    from: '2001:db8:1::2',
    opens: () => ({ ...web, to: ['10.0.0.5:80', '[fd00::5]:80'] }),
    inject: ({ drawbridge }) => again(drawbridge, {}),
    mend: ({ drawbridge }) => again(drawbridge, {}, ['10.0.0.5:80', '[fd00::5]:80']),
    works: (scene) => asks(scene, { from: '2001:db8:1::2' }),
  },
  {
    name: 'listen address taken off the machine',
    code: 'listen-address-missing',
    opens: ({ lab }) => ({ ...web, listen: `tcp/8080@${lab.gateway.second}` }),
    inject: ({ lab }) => sh(lab.gateway, `ip address del ${lab.gateway.second}/24 dev out0`),
    mend: ({ lab }) => sh(lab.gateway, `ip address add ${lab.gateway.second}/24 dev out0`),
    works: ({ lab }) =>
      lab.client.asks(lab.gateway.second, 8080, { timeout: 400 }).then(
        () => true,
        () => false,
      ),
  },
  {
    name: 'listen interface renamed',
    code: 'listen-interface-missing',
    opens: () => ({ ...web, listen: 'tcp/8080%out0' }),
    inject: ({ lab }) => rename(lab.gateway, 'out0', 'wan0'),
    mend: ({ lab }) => rename(lab.gateway, 'wan0', 'out0'),
  },
  {
    name: 'outside interface down',
    code: 'listen-interface-down',
    opens: () => ({ ...web, listen: 'tcp/8080%out0' }),
    inject: ({ lab }) => sh(lab.gateway, 'ip link set out0 down'),
    mend: 'command',
    tidy: ({ lab }) => sh(lab.gateway, defaults),
  },
  {
    name: 'forwarding off',
    code: 'forwarding-off',
    inject: ({ lab }) => sh(lab.gateway, 'sysctl -qw net.ipv4.ip_forward=0'),
    mend: 'command',
  },
  {
    name: 'forwarding off on one interface',
    code: 'forwarding-off',
    inject: ({ lab }) => sh(lab.gateway, 'sysctl -qw net.ipv4.conf.out0.forwarding=0'),
    mend: 'command',
  },
  {
    name: 'forwarding off for IPv6',
    code: 'forwarding-off',
    from: '2001:db8:1::2',
    opens: () => ({ ...web, to: '[fd00::5]:80' }),
    inject: ({ lab }) => sh(lab.gateway, 'sysctl -qw net.ipv6.conf.all.forwarding=0'),
    mend: 'command',
    works: (scene) => asks(scene, { from: '2001:db8:1::2' }),
  },
]

const defaults =
  'ip route replace default via 203.0.113.2; ip address replace 2001:db8:1::1/64 dev out0 nodad; ip address replace 2001:db8:1::9/64 dev out0 nodad; ip -6 route replace default via 2001:db8:1::2'

const rename = (host: Parameters<typeof sh>[0], from: string, to: string) =>
  sh(
    host,
    `ip link set ${from} down; ip link set ${from} name ${to}; ip link set ${to} up; ${defaults.replaceAll('out0', to)}`,
  )

type Wishes = { readonly from?: readonly string[]; readonly limits?: object }

export function again(
  drawbridge: Parameters<Fault['inject']>[0]['drawbridge'],
  wishes: Wishes,
  to: readonly string[] = ['10.0.0.5:80'],
) {
  const forward = {
    name: 'web',
    listen: 'tcp/8080',
    to: [...to],
    ...(wishes.from && { from: [...wishes.from] }),
    ...(wishes.limits && { limits: wishes.limits }),
  }
  return drawbridge.api.apply({ gateway: { version: 1, forwards: [forward] }, prune: false })
}
