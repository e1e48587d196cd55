/** Faults by rules of others: in every hook, for everybody or for one client, on the way there and back. */
import { asks, type Fault, type Scene, sh, web } from './scene.ts'

const hand =
  (rules: string, family = 'inet'): Fault['inject'] =>
  ({ lab }) =>
    lab.gateway.nft(`table ${family} hand { ${rules}\n}`)

const withoutHand =
  (family = 'inet') =>
  ({ lab }: Scene) =>
    lab.gateway.nft(`delete table ${family} hand`)

const iptables =
  (rule: string): Fault['inject'] =>
  ({ lab }) =>
    sh(lab.gateway, `iptables ${rule}`)
const without =
  (table: string) =>
  ({ lab }: Scene) =>
    sh(lab.gateway, `iptables -t ${table} -F; nft delete table ip ${table}`)

const both = ['10.0.0.5:80', '[fd00::5]:80']
const six = { from: '2001:db8:1::2' }

export const faultsOfRules: readonly Fault[] = [
  {
    name: 'a rule made by hand drops in forward',
    code: 'blocked',
    inject: hand('chain f { type filter hook forward priority 0; tcp dport 80 drop\n}'),
    mend: 'command',
    tidy: withoutHand(),
  },
  {
    name: 'a rule made by hand rejects in forward',
    code: 'blocked',
    symptom: 'connection refused',
    inject: hand(
      'chain f { type filter hook forward priority 5; ip daddr 10.0.0.5 reject with tcp reset\n}',
      'ip',
    ),
    mend: 'command',
    tidy: withoutHand('ip'),
  },
  {
    name: 'a policy drops in forward',
    code: 'blocked',
    inject: hand(
      'chain f { type filter hook forward priority 0; policy drop; ct state established,related accept\n}',
    ),
    mend: 'command',
    tidy: withoutHand(),
  },
  {
    name: 'a policy drops in forward, IPv6',
    code: 'blocked',
    ...six,
    opens: () => ({ ...web, to: both }),
    inject: hand('chain f { type filter hook forward priority 0; policy drop\n}', 'ip6'),
    mend: 'command',
    tidy: withoutHand('ip6'),
    works: (scene) => asks(scene, six),
  },
  {
    name: 'a rule drops one client in forward',
    code: 'blocked',
    from: '203.0.113.3',
    inject: hand('chain f { type filter hook forward priority 0; ip saddr 203.0.113.3 counter drop\n}'),
    mend: 'command',
    tidy: withoutHand(),
    works: (scene) => asks(scene, { from: '203.0.113.3' }),
  },
  {
    name: 'a set of addresses is dropped in prerouting',
    code: 'blocked',
    from: '203.0.113.4',
    inject: hand(
      'set bad { type ipv4_addr; flags interval; elements = { 203.0.113.4/31 }\n}\nchain p { type filter hook prerouting priority -150; ip saddr @bad drop\n}',
    ),
    mend: 'command',
    tidy: withoutHand(),
    works: (scene) => asks(scene, { from: '203.0.113.4' }),
  },
  {
    name: 'a chain that another leads to drops',
    code: 'blocked',
    inject: hand(
      'chain deep { ip protocol tcp drop\n}\nchain f { type filter hook forward priority 0; iifname "out0" jump deep\n}',
    ),
    mend: 'command',
    tidy: withoutHand(),
  },
  {
    name: 'a rule drops in postrouting',
    code: 'blocked',
    inject: hand('chain p { type filter hook postrouting priority 0; oifname "in0" tcp dport 80 drop\n}'),
    mend: 'command',
    tidy: withoutHand(),
  },
  {
    name: 'a rule drops before connection tracking',
    code: 'blocked',
    inject: hand('chain p { type filter hook prerouting priority -300; tcp dport 8080 drop\n}'),
    mend: 'command',
    tidy: withoutHand(),
  },
  {
    name: 'a rule drops at the ingress of the interface',
    code: 'blocked',
    inject: hand(
      'chain i { type filter hook ingress device out0 priority 0; tcp dport 8080 drop\n}',
      'netdev',
    ),
    mend: 'command',
    tidy: withoutHand('netdev'),
  },
  {
    name: 'a rule drops UDP in forward',
    code: 'blocked',
    opens: () => ({ ...web, listen: 'udp/8080' }),
    inject: hand('chain f { type filter hook forward priority 0; meta l4proto udp drop\n}'),
    mend: 'command',
    tidy: withoutHand(),
    works: (scene) => asks(scene, { protocol: 'udp' }),
  },
  {
    name: 'iptables drops in FORWARD',
    code: 'blocked',
    inject: iptables('-A FORWARD -p tcp --dport 80 -j DROP'),
    mend: 'command',
    tidy: without('filter'),
  },
  {
    name: 'iptables drops one client in FORWARD',
    code: 'blocked',
    from: '203.0.113.3',
    inject: iptables('-I FORWARD -s 203.0.113.3/32 -j DROP'),
    mend: 'command',
    tidy: without('filter'),
    works: (scene) => asks(scene, { from: '203.0.113.3' }),
  },
  {
    name: 'the policy of FORWARD is DROP',
    code: 'blocked',
    inject: iptables('-P FORWARD DROP'),
    mend: 'command',
    tidy: ({ lab }) => sh(lab.gateway, 'iptables -P FORWARD ACCEPT; iptables -F; nft delete table ip filter'),
  },
  {
    name: 'iptables drops in raw',
    code: 'blocked',
    inject: iptables('-t raw -A PREROUTING -p tcp --dport 8080 -j DROP'),
    mend: 'command',
    tidy: without('raw'),
  },
  {
    name: 'iptables drops in mangle',
    code: 'blocked',
    inject: iptables('-t mangle -A FORWARD -d 10.0.0.5/32 -j DROP'),
    mend: 'command',
    tidy: without('mangle'),
  },
  {
    name: 'a rule drops the answers',
    code: 'answer-blocked',
    inject: hand('chain f { type filter hook forward priority 0; ip saddr 10.0.0.5 tcp sport 80 drop\n}'),
    mend: 'command',
    tidy: withoutHand(),
  },
  {
    name: 'iptables drops the answers',
    code: 'answer-blocked',
    inject: iptables('-A FORWARD -s 10.0.0.5/32 -p tcp -m tcp --sport 80 -j DROP'),
    mend: 'command',
    tidy: without('filter'),
  },
  {
    name: 'the answers have no route',
    code: 'answer-unrouted',
    from: '198.51.100.7',
    prepare: ({ lab }) => sh(lab.client, 'ip address replace 198.51.100.7/32 dev lo'),
    inject: ({ lab }) => sh(lab.gateway, 'ip route add unreachable 198.51.100.0/24'),
    mend: ({ lab }) => sh(lab.gateway, 'ip route del unreachable 198.51.100.0/24'),
    works: (scene) => asks(scene, { from: '198.51.100.7' }),
  },
  {
    name: 'another program forwards the port first',
    code: 'taken-before',
    inject: hand(
      'chain p { type nat hook prerouting priority -110; tcp dport 8080 dnat to 10.0.0.6:81\n}',
      'ip',
    ),
    mend: withoutHand('ip'),
  },
  {
    name: 'a rule redirects the port first',
    code: 'taken-before',
    inject: hand('chain p { type nat hook prerouting priority -110; tcp dport 8080 redirect to :9\n}', 'ip'),
    mend: withoutHand('ip'),
  },
]
