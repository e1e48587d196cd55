/** Each check against the real server that it is for, in a lab, as the gateway asks it; and against others. */
import { describe, expect, test } from 'vitest'
import type { HealthDocument } from '../../../src/model/health.ts'
import { startMariadb, startPostgres, startSmtpd } from '../../lab/databases.ts'
import { startUnbound } from '../../lab/dns.ts'
import { alone } from '../../lab/root.ts'
import { startDnsmasq, startRedis } from '../../lab/servers.ts'
import { labOfFile, patience, says } from './asking.ts'

const lab = labOfFile()

/** A server is alive at some time after its start, and not before. */
const comesAlive = (written: HealthDocument, port: number) =>
  expect.poll(() => says(written, port), patience).toBe('')

test('tcp: a port that accepts connections, over IPv4 and IPv6', async () => {
  await lab().server.answers('tcp', 7000)
  expect(await says('tcp', 7000)).toBe('')
  expect(await says('tcp', 7000, lab().server.ip6)).toBe('')
})

describe('redis', () => {
  test('the real one, with a password too', async () => {
    const redis = await startRedis(lab(), lab().server, 6379)
    await comesAlive('redis', 6379)
    await lab().server.run('redis-cli', ['-p', '6379', 'config', 'set', 'requirepass', 'secret'])
    expect(await says('redis', 6379)).toBe('')
    for (const other of ['postgres', 'mysql', 'smtp', 'http'] as const)
      expect(await says(other, 6379)).toMatch(/^dead: it (does not speak|did not answer|closed)/)
    await redis.end()
    expect(await says('redis', 6379)).toBe('dead: it refuses connections')
  })

  test('one that takes no clients from elsewhere', async () => {
    lab().server.spawn('redis-server', [
      '--port',
      '6380',
      '--save',
      '',
      '--bind',
      '*',
      '--protected-mode',
      'yes',
    ])
    await expect.poll(() => lab().server.listens('tcp', 6380), patience).toBe(true)
    expect(await says('redis', 6380)).toMatch(/^dead: it takes no clients: "DENIED/)
  })
})

describe.skipIf(alone)('postgres (PostgreSQL takes no root: wants another user to become)', () => {
  test('the real one, that asks for a password, and leaves no word in its log', async () => {
    const postgres = await startPostgres(lab(), lab().server, 5432)
    await comesAlive('postgres', 5432)
    const before = postgres.output()
    for (let asked = 0; asked < 5; asked += 1) expect(await says('postgres', 5432)).toBe('')
    expect(postgres.output()).toBe(before)
    for (const other of ['redis', 'mysql', 'smtp', 'http'] as const)
      expect(await says(other, 5432)).toMatch(/^dead: it (does not speak|did not answer|closed)/)
    // A fast shutdown, in which nobody is let in any more.
    await postgres.end('SIGINT')
    expect(await says('postgres', 5432)).toBe('dead: it refuses connections')
  })

  test('one that refuses our user is alive, one that has no place left is not', async () => {
    await startPostgres(lab(), lab().server, 5433, { method: 'reject' })
    await comesAlive('postgres', 5433)
    const options = ['max_connections=2', 'superuser_reserved_connections=1', 'max_wal_senders=0']
    await startPostgres(lab(), lab().server, 5434, { method: 'trust', options })
    await comesAlive('postgres', 5434)
    const one = ['-h', '10.0.0.5', '-p', '5434', '-U', 'postgres', '-c', 'select pg_sleep(600)', 'postgres']
    for (let clients = 0; clients < 2; clients += 1) lab().other.spawn('psql', one)
    await expect
      .poll(() => says('postgres', 5434), patience)
      .toMatch(/^dead: it takes no clients: "sorry, too many/)
  })
})

describe('mysql', () => {
  test('MariaDB, again and again, without being shut out as a host of broken handshakes', async () => {
    const mariadb = await startMariadb(lab(), lab().server, 3306, ['--max-connect-errors=3'])
    for (let asked = 0; asked < 10; asked += 1) expect(await says('mysql', 3306)).toBe('')
    for (const other of ['redis', 'postgres', 'smtp', 'http'] as const)
      expect(await says(other, 3306)).toMatch(/^dead: it (does not speak|did not answer|closed)/)
    // A check that only connects does what ours must not: after three of them the server takes nobody from here.
    for (let asked = 0; asked < 8; asked += 1) await says('tcp', 3306)
    await expect
      .poll(() => says('mysql', 3306), patience)
      .toMatch(/^dead: it takes no clients: "Host .* is blocked/)
    await mariadb.end()
    expect(await says('mysql', 3306)).toBe('dead: it refuses connections')
  })

  test('one that has no place left', async () => {
    await startMariadb(lab(), lab().server, 3307, ['--max-connections=10'])
    await comesAlive('mysql', 3307)
    const held = await Promise.all(
      Array.from({ length: 12 }, () =>
        lab()
          .other.holds(lab().server.ip, 3307)
          .catch(() => undefined),
      ),
    )
    expect(held.length).toBe(12)
    await expect
      .poll(() => says('mysql', 3307), patience)
      .toMatch(/^dead: it takes no clients: "Too many connections/)
  })
})

test.skipIf(alone)(
  'smtp: OpenSMTPD (wants users to become, two of its own), and it is told that we go',
  async () => {
    const smtpd = await startSmtpd(lab(), lab().server, 2525)
    await comesAlive('smtp', 2525)
    await smtpd.says(/smtp disconnected reason=quit/)
    expect(await says('redis', 2525)).toMatch(/^dead: it does not speak this protocol/)
    expect(await says('mysql', 2525)).toMatch(/^dead: it does not speak this protocol/)
  },
)

describe('dns', () => {
  const asked = { check: 'dns', name: 'app.example.org' } as const

  test('unbound, both kinds of address', async () => {
    const names = ['app.example.org. A 10.0.0.7', 'six.example.org. AAAA fd00::7']
    const server = ['local-zone: . static', ...names.map((one) => `local-data: "${one}"`)]
    const unbound = await startUnbound({ address: '0.0.0.0@5353', server }, lab().server.spawn)
    lab().defer(() => unbound.end())
    await comesAlive({ ...asked, answer: '10.0.0.7' }, 5353)
    expect(await says({ check: 'dns', name: 'six.example.org', answer: 'fd00::7' }, 5353)).toBe('')
    expect(await says({ ...asked, answer: '10.0.0.8' }, 5353)).toBe(
      'dead: it gives another answer: "not 10.0.0.8"',
    )
    expect(await says({ check: 'dns', name: 'no.example.org', answer: '10.0.0.7' }, 5353)).toBe(
      'dead: it gives another answer: "NXDOMAIN"',
    )
  })

  test('dnsmasq', async () => {
    await startDnsmasq(lab().server, 5354, { 'app.example.org': '10.0.0.7' })
    await comesAlive({ ...asked, answer: '10.0.0.7' }, 5354)
    expect(await says({ check: 'dns', name: 'no.example.net', answer: '10.0.0.7' }, 5354)).toBe(
      'dead: it gives another answer: "REFUSED"',
    )
  })
})

test('udp: a service that gives the expected answer', async () => {
  await lab().server.answers('udp', 7100, { identity: 'game' })
  expect(await says({ check: 'udp', send: 'hello', answer: 'game 7100' }, 7100)).toBe('')
  expect(await says({ check: 'udp', send: 'hello', answer: 'pong' }, 7100)).toMatch(
    /^dead: it gives another answer: "/,
  )
})

test('icmp: a host that answers pings, and one that does not; where we may not ping, nothing is known', async () => {
  const range = '/proc/sys/net/ipv4/ping_group_range'
  await lab().gateway.run('sh', ['-c', `echo 1 0 >${range}`])
  expect(await says('icmp', 0)).toBe(
    'unknown: it could not be checked: pings are not allowed here (net.ipv4.ping_group_range)',
  )
  await lab().gateway.run('sh', ['-c', `echo 0 2147483647 >${range} || echo 0 0 >${range}`])
  expect(await says('icmp', 0)).toBe('')
  expect(await says('icmp', 0, lab().server.ip6)).toBe('')
  await lab().server.nft(
    'table inet mute { chain in { type filter hook input priority 0; icmp type echo-request drop\n}\n}',
  )
  expect(await says('icmp', 0)).toBe('dead: it did not answer in time')
})
