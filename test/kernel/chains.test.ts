/** What chains of other programs do with forwarded packets, read back from the kernel's own form of their rules. */
import { spawnSync } from 'node:child_process'
import { afterEach, beforeAll, expect, test } from 'vitest'
import { readForeignChains } from '../../src/kernel/chains.ts'
import { openNetlink } from '../../src/kernel/netlink.ts'
import { blocks, type ForeignChain } from '../../src/model/foreign.ts'
import { defaultSettings } from '../../src/model/gateway.ts'
import { enterNewNetwork, run } from './network.ts'

beforeAll(() => void enterNewNetwork())
afterEach(() => void run('nft', 'flush', 'ruleset'))

function load(program: string, text: string, ...words: string[]): ForeignChain {
  const { status, stderr } = spawnSync(program, words, { input: text, encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
  const found = readForeignChains(openNetlink(1 << 20)).find(({ base }) => base?.hook === 'forward')
  if (!found) throw new Error('no chain on the forward hook')
  return found
}

const byNft = (policy: string, rules: string, more = '') =>
  load(
    'nft',
    `table inet filter { ${more}
      chain forward { type filter hook forward priority 0; policy ${policy}; ${rules}
      }
    }`,
    '-f',
    '-',
  )
const byIptables = (policy: string, ...rules: string[]) =>
  load(
    'iptables-restore',
    ['*filter', `:FORWARD ${policy} [0:0]`, ':OWN - [0:0]', ...rules, 'COMMIT', ''].join('\n'),
  )

const { mark } = defaultSettings
const ours = 'ct mark and 0xfff00000 == 0x2db00000'

test.each([
  ['policy accept', 'accept', '', null],
  ['policy drop', 'drop', '', 'policy drop'],
  ['a condition only', 'accept', 'tcp dport 80 drop', null],
  ['a last drop', 'accept', 'tcp dport 80 accept; counter drop', 'its last rule drops'],
  ['a last reject', 'accept', 'log prefix "x" reject with icmpx admin-prohibited', 'its last rule drops'],
  ['policy drop that an accept comes before', 'drop', 'ct state invalid drop; accept', null],
  ['a drop behind a jump', 'accept', 'jump judge', 'its last rule drops'],
  ['a return behind a jump', 'accept', 'jump leave', null],
  ['a jump with a condition', 'accept', 'tcp dport 80 jump judge', null],
])('%s', (_name, policy, rules, ending) => {
  const chain = byNft(policy, rules, 'chain judge { drop\n }\n chain leave { return; drop\n }')
  expect(chain).toMatchObject({ family: 'inet', table: 'filter', name: 'forward', base: { ending } })
  expect(blocks(chain, mark)).toBe(ending !== null)
})

test.each([
  ['our mark', `${ours} accept`, false],
  ['our mark, counted', `${ours} counter accept`, false],
  ['our mark, behind a jump', 'jump admit', false],
  ['a part of our mark', 'ct mark and 0x20000000 == 0x20000000 accept', false],
  ['every translated connection', 'ct status dnat accept', false],
  ['our mark with one more condition', `tcp dport 80 ${ours} accept`, true],
  ['another mark', 'ct mark and 0xfff00000 == 0x2dc00000 accept', true],
  ['more than our mark', 'ct mark 0x2db00000 accept', true],
  ['all but our mark', 'ct mark and 0xfff00000 != 0x2db00000 accept', true],
  ['all but translated connections', 'ct status ! dnat accept', true],
  ['our mark, after a drop of everything', `drop; ${ours} accept`, true],
  ['our mark, dropped', `${ours} drop`, true],
])('policy drop, with an accept of %s: blocked: %s', (_name, rules, blocked) => {
  expect(blocks(byNft('drop', rules, `chain admit { ${ours} accept\n }`), mark)).toBe(blocked)
})

test.each([
  ['nothing', [], true],
  [
    'our mark',
    ['-A FORWARD -m connmark --mark 0x2db00000/0xfff00000 -m comment --comment x -j ACCEPT'],
    false,
  ],
  [
    'our mark in a chain of its own',
    ['-A FORWARD -j OWN', '-A OWN -m connmark --mark 0x2db00000/0xfff00000 -j ACCEPT'],
    false,
  ],
  ['all but our mark', ['-A FORWARD -m connmark ! --mark 0x2db00000/0xfff00000 -j ACCEPT'], true],
  [
    'translated connections among others',
    ['-A FORWARD -m conntrack --ctstate RELATED,DNAT -j ACCEPT'],
    false,
  ],
  ['all but translated ones', ['-A FORWARD -m conntrack ! --ctstate DNAT -j ACCEPT'], true],
  [
    'translated ones from one place',
    ['-A FORWARD -m conntrack --ctstate DNAT --ctorigsrc 192.0.2.1 -j ACCEPT'],
    true,
  ],
  ['established ones', ['-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT'], true],
])('iptables with policy DROP and an accept of %s: blocked: %s', (_name, rules, blocked) => {
  const chain = byIptables('DROP', ...rules)
  expect(chain.base?.ending).toBe('policy drop')
  expect(blocks(chain, mark)).toBe(blocked)
})

test('iptables with policy ACCEPT and a REJECT at the end', () => {
  expect(byIptables('ACCEPT', '-A FORWARD -p tcp -j REJECT').base?.ending).toBeNull()
  expect(byIptables('ACCEPT', '-A FORWARD -j REJECT').base?.ending).toBe('its last rule drops')
})
