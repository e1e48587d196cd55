/** Whom other programs deny in the kernel: what is told change by change is what a reading gives. */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { BanBook } from '../../src/agent/banbook.ts'
import { type Door, openDoor } from '../../src/kernel/door.ts'
import type { Report } from '../../src/kernel/watcher.ts'
import { banInterest, bannerOf } from '../../src/neighbours/bans.ts'
import { enterNewNetwork, run } from './network.ts'

let door: Door
const reports: Report[] = []
const at = { at: '2026-11-24T20:31:00.000Z', now: 0 }

beforeAll(async () => {
  enterNewNetwork()
  door = await openDoor()
  await door.watch((report) => void reports.push(report), banInterest)
})
beforeEach(async () => {
  run('nft', 'flush', 'ruleset')
  await sleep(100)
  reports.length = 0
})
afterAll(() => door.close())

const told = (book: BanBook) =>
  book
    .tell([4, 6])
    .newest.map(({ address, by }) => `${address} ${by}`)
    .sort()

/** A book that knows the places there are. */
async function read(): Promise<BanBook> {
  const book = new BanBook(bannerOf)
  book.replace(['set', 'chain'], await door.denials(banInterest), at)
  return book
}

/** What the next transaction changes, as it is told; undefined when all must be read. */
async function follow(book: BanBook): Promise<readonly string[] | undefined> {
  await expect.poll(() => reports.length, { timeout: 5000 }).toBe(1)
  for (const report of reports.splice(0)) {
    if (report.kind !== 'elsewhere' || report.denials === null) return undefined
    for (const change of report.denials) if (!book.change(change, at)) return undefined
  }
  return told(book)
}

async function makes(set: string): Promise<BanBook> {
  run('nft', `add table ip crowdsec; add set ip crowdsec crowdsec-blacklists-CAPI { ${set} }`)
  // A new set has to be read.
  expect(await follow(new BanBook(bannerOf))).toBeUndefined()
  return read()
}

const elements = 'element ip crowdsec crowdsec-blacklists-CAPI'
const by = (addresses: readonly string[]) => addresses.map((one) => `${one} crowdsec (CAPI)`)

test('single addresses are followed change by change, also when one transaction takes and gives the same', async () => {
  const book = await makes('type ipv4_addr; flags timeout;')
  run('nft', `add ${elements} { 198.51.100.9, 198.51.100.10 timeout 90s }`)
  expect(await follow(book)).toEqual(by(['198.51.100.10', '198.51.100.9']))
  run(
    'nft',
    `delete ${elements} { 198.51.100.9, 198.51.100.10 }; add ${elements} { 198.51.100.9, 198.51.100.11 }`,
  )
  expect(await follow(book)).toEqual(by(['198.51.100.11', '198.51.100.9']))
  expect(told(await read())).toEqual(by(['198.51.100.11', '198.51.100.9']))
})

test('intervals are read as a whole whatever changes, and are networks', async () => {
  const book = await makes('type ipv4_addr; flags interval;')
  run('nft', `add ${elements} { 198.51.100.9, 203.0.113.0/24, 192.0.2.1-192.0.2.6 }`)
  expect(await follow(book)).toBeUndefined()
  const all = ['192.0.2.1', '192.0.2.2/31', '192.0.2.4/31', '192.0.2.6', '198.51.100.9', '203.0.113.0/24']
  expect(told(await read())).toEqual(by(all))
  // Beside a network that is there, nft may tell of the beginning alone.
  run('nft', `add ${elements} { 203.0.112.0/24 }`)
  expect(await follow(book)).toBeUndefined()
  expect(told(await read())).toContain('203.0.112.0/24 crowdsec (CAPI)')
})

test('a timeout is the end of a ban, which nobody tells', async () => {
  const book = await makes('type ipv4_addr; flags timeout;')
  run('nft', `add ${elements} { 198.51.100.9 timeout 90s }`)
  expect(await follow(book)).toEqual(by(['198.51.100.9']))
  expect(book.expire(80_000)).toBeGreaterThan(80_000)
  expect(told(book)).toEqual(by(['198.51.100.9']))
  expect(book.expire(90_000)).toBe(Number.POSITIVE_INFINITY)
  expect(told(book)).toEqual([])
})

test('of rules only those that deny a source address and nothing narrower are bans', async () => {
  for (const iptables of ['iptables', 'ip6tables']) run(iptables, '-N', 'f2b-web')
  const rules = [
    ['iptables', '-s', '198.51.100.9', '-j', 'DROP'],
    ['iptables', '-s', '203.0.113.0/24', '-j', 'REJECT', '--reject-with', 'icmp-port-unreachable'],
    ['iptables', '-s', '203.0.112.0/22', '-m', 'comment', '--comment', 'by hand', '-j', 'REJECT'],
    ['ip6tables', '-s', '2001:db8:7::/48', '-j', 'REJECT', '--reject-with', 'icmp6-port-unreachable'],
    // None of these is one.
    ['iptables', '-s', '192.0.2.1', '-j', 'RETURN'],
    ['iptables', '-s', '192.0.2.2', '-p', 'tcp', '--dport', '22', '-j', 'DROP'],
    ['iptables', '!', '-s', '192.0.2.3', '-j', 'DROP'],
    ['iptables', '-d', '192.0.2.4', '-j', 'DROP'],
    ['iptables', '-j', 'RETURN'],
  ] as const
  for (const [command, ...words] of rules) run(command, '-A', 'f2b-web', ...words)
  const all = ['198.51.100.9', '2001:db8:7::/48', '203.0.112.0/22', '203.0.113.0/24']
  expect(told(await read())).toEqual(all.map((address) => `${address} fail2ban (web)`))
  run('iptables', '-N', 'other')
  run('iptables', '-A', 'other', '-s', '192.0.2.5', '-j', 'DROP')
  expect(told(await read())).toHaveLength(4)
})

test('a ban is over when nobody holds it any more, and keeps its time while it is read again', async () => {
  run('nft', 'add table inet f2b-table; add set inet f2b-table addr-set-sshd { type ipv4_addr; }')
  run('nft', 'add set inet f2b-table addr-set-web { type ipv4_addr; }')
  run('nft', 'add element inet f2b-table addr-set-sshd { 198.51.100.9 }')
  run('nft', 'add element inet f2b-table addr-set-web { 198.51.100.9 }')
  const book = await read()
  book.hold(book.difference())
  expect(book.keepsOut({ family: 4, text: '198.51.100.9' })).toBe(true)
  expect(book.keepsOut({ family: 4, text: '198.51.100.8' })).toBe(false)
  run('nft', 'delete element inet f2b-table addr-set-web { 198.51.100.9 }')
  book.replace(['set', 'chain'], await door.denials(banInterest), { ...at, at: '2026-11-24T21:00:00.000Z' })
  expect(book.difference()).toEqual({ add: [], remove: [] })
  expect(book.tell([4, 6])).toMatchObject({ count: 1, newest: [{ by: 'fail2ban (sshd)', since: at.at }] })
  expect(book.tell([6])).toEqual({ count: 0, by: [], newest: [] })
  run('nft', 'delete table inet f2b-table')
  book.replace(['set', 'chain'], await door.denials(banInterest), at)
  expect(book.difference()).toEqual({ add: [], remove: [{ set: 'banned4_32', key: '198.51.100.9' }] })
})
