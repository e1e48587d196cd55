/** What real name servers say, and what is made of it: dnsmasq and unbound on the loopback of this network. */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Answer, asker } from '../../../src/reconcile/names/asking.ts'
import { judge, type NameState, unasked } from '../../../src/reconcile/names/judging.ts'
import { type NameServer, startDnsmasq, startUnbound } from '../../lab/dns.ts'

const [first, second, nobody] = ['127.0.53.1', '127.0.53.2', '127.0.53.9'] as const
const own = new Set(['203.0.113.1', 'fd00::1'])

const lots = (count: number, name: string) =>
  Array.from({ length: count }, (_, at) => `10.1.0.${at + 1} ${name}\n`).join('')
const hosts = `10.0.0.5 app.example.org Mixed.Example.ORG
10.0.0.6 app.example.org
fd00::6 app.example.org six.example.org
127.0.0.1 loopback.example.org
::1 loopback.example.org
169.254.169.254 metadata.example.org
fd00:ec2::254 credentials.example.org
224.0.0.1 multicast.example.org
0.0.0.0 unspecified.example.org
203.0.113.1 own.example.org
fd00::1 own.example.org
10.0.0.7 half.example.org
127.0.0.1 half.example.org
10.0.0.8 short.lan.example.org
10.0.0.9 lonely
10.0.1.1 host1.example.org
10.0.1.2 host2.example.org
10.0.2.1 x.broken.example.com
10.0.2.2 there.example.net
${lots(100, 'many.example.org')}${lots(120, 'more.example.org')}`

const lines = [
  'host-record=zero.example.org,10.0.0.9,0',
  'host-record=year.example.org,10.0.0.9,31536000',
  'cname=alias.example.org,app.example.org,3',
  'srv-host=_http._tcp.example.org,host1.example.org,8080,0,5',
  'srv-host=_http._tcp.example.org,host2.example.org,8081,0,1',
  'srv-host=_http._tcp.example.org,app.example.org,9,1,1',
  'srv-host=_off._tcp.example.org',
]

let dnsmasq: NameServer
let unbound: Pick<NameServer, 'end'>

beforeAll(async () => {
  dnsmasq = await startDnsmasq({ address: first, ttl: 7, hosts, lines })
  unbound = await startUnbound({
    address: second,
    server: [
      'local-zone: refused.example.net always_refuse',
      'local-zone: example.net static',
      'local-data: "round.example.net CNAME about.example.net"',
      'local-data: "about.example.net CNAME round.example.net"',
    ],
    // A zone whose records it should have from another server and has not.
    rest: ['auth-zone:', 'name: broken.example.com', 'primary: 127.0.53.9', 'fallback-enabled: no'],
  })
})

afterAll(async () => {
  await dnsmasq.end()
  await unbound.end()
})

interface Asked {
  readonly servers?: readonly string[]
  readonly search?: readonly string[]
  readonly etcHosts?: Readonly<Record<string, string>>
}

async function ask(name: string, { servers = [first], search = [], etcHosts = {} }: Asked = {}) {
  const entries = Object.entries(etcHosts).map(([host, text]) => [host, [{ family: 4, text }]] as const)
  return asker(() => ({ servers, search, hosts: new Map(entries) }))(name)
}

const made = (answer: Answer, before: NameState = unasked) => judge(before, answer, { now: 1000, own })

const asked = async (name: string, how?: Asked) => {
  const state = made(await ask(name, how))
  const known = state.known?.kind === 'addresses' ? state.known.addresses.map(({ text }) => text) : []
  return { known, ttl: state.ttl, trouble: state.trouble, server: state.server, left: state.left }
}

describe('a name leads', () => {
  test.each([
    [
      'to its addresses of both families, for as long as it says',
      'app.example.org',
      ['10.0.0.5', '10.0.0.6', 'fd00::6'],
      7,
    ],
    ['to IPv6 alone, which is no trouble', 'six.example.org', ['fd00::6'], 7],
    [
      'through an alias, for as long as the shorter of both',
      'alias.example.org',
      ['10.0.0.5', '10.0.0.6', 'fd00::6'],
      3,
    ],
    ['whatever letters its server has', 'mixed.example.org', ['10.0.0.5'], 7],
    ['with TTL 0', 'zero.example.org', ['10.0.0.9'], 0],
    ['with a TTL of a year', 'year.example.org', ['10.0.0.9'], 31_536_000],
  ])('%s', async (_, name, known, ttl) => {
    expect(await asked(name)).toEqual({ known, ttl, trouble: null, server: first, left: [] })
  })

  test('to 100 addresses, whose answer does not fit into a datagram, and of more to the first 100', async () => {
    const many = await asked('many.example.org')
    expect(many.known).toHaveLength(100)
    expect(many).toMatchObject({ trouble: null, left: [] })
    const more = await asked('more.example.org')
    expect(more.known).toHaveLength(100)
    expect(more.known).toEqual([...more.known].sort())
    expect(more.left).toEqual(['of its 120 IPv4 addresses the first 100 are used'])
  })

  test('without a dot: as /etc/hosts says, then in the search domains, then as it is', async () => {
    const search = ['nowhere.example.org', 'lan.example.org']
    expect((await asked('short', { search })).known).toEqual(['10.0.0.8'])
    expect((await asked('lonely', { search })).known).toEqual(['10.0.0.9'])
    expect((await asked('short', { search, etcHosts: { short: '10.9.9.9' } })).known).toEqual(['10.9.9.9'])
    expect((await asked('short')).trouble).toMatchObject({ kind: 'failed' })
  })

  test('by the next server where one is silent or cannot tell, but not where one says that there is no such name', async () => {
    expect(await asked('app.example.org', { servers: [nobody, first] })).toMatchObject({
      server: first,
      trouble: null,
    })
    expect(await asked('x.broken.example.com', { servers: [second, first] })).toMatchObject({
      server: first,
      known: ['10.0.2.1'],
    })
    expect((await asked('there.example.net', { servers: [first] })).known).toEqual(['10.0.2.2'])
    expect(await asked('there.example.net', { servers: [second, first] })).toMatchObject({
      known: [],
      trouble: { kind: 'gone' },
    })
  })
})

describe('an SRV name leads', () => {
  const services = async (name: string) => made(await ask(name))

  test('to the services of its lowest priority, with port and weight', async () => {
    expect((await services('srv:_http._tcp.example.org')).known).toEqual({
      kind: 'services',
      services: [
        { name: 'host1.example.org', port: 8080, weight: 5 },
        { name: 'host2.example.org', port: 8081, weight: 1 },
      ],
    })
  })

  test('nowhere, where it is missing or its service says that it is not there', async () => {
    expect((await services('srv:_none._tcp.example.org')).trouble).toMatchObject({ kind: 'gone' })
    expect((await services('srv:_off._tcp.example.org')).trouble).toMatchObject({ kind: 'gone' })
  })
})

describe('trouble', () => {
  test.each([
    ['no such name', 'nope.example.org', first, 'gone', ''],
    ['a server that cannot tell', 'x.broken.example.com', second, 'failed', `SERVFAIL from ${second}`],
    ['a server that refuses', 'x.refused.example.net', second, 'failed', `REFUSED from ${second}`],
    ['no server', 'app.example.org', nobody, 'failed', `connection refused from ${nobody}`],
    [
      'aliases in a circle',
      'round.example.net',
      second,
      'circle',
      'round.example.net -> about.example.net -> round.example.net',
    ],
  ])('%s', async (_, name, server, kind, detail) => {
    expect(await asked(name, { servers: [server] })).toMatchObject({ known: [], trouble: { kind, detail } })
  })

  test.each([
    ['loopback', '127.0.0.1'],
    ['metadata', '169.254.169.254'],
    ['credentials', 'fd00:ec2::254'],
    ['multicast', '224.0.0.1'],
    ['unspecified', '0.0.0.0'],
    ['own', '203.0.113.1'],
  ])('an answer that leads to %s', async (name, address) => {
    const { known, trouble } = await asked(`${name}.example.org`)
    expect(known).toEqual([])
    expect(trouble).toMatchObject({
      kind: 'unusable',
      detail: expect.stringContaining(`"${address}" is not used`),
    })
  })

  test('of half an answer is told, and the other half is used', async () => {
    const { known, trouble, left } = await asked('half.example.org')
    expect(known).toEqual(['10.0.0.7'])
    expect(trouble).toBeNull()
    expect(left).toEqual([expect.stringContaining('"127.0.0.1" is not used')])
  })

  test('leaves nothing known of an address that the gateway has got itself', async () => {
    const before = made(await ask('app.example.org'))
    const answer = await ask('app.example.org', { servers: [nobody] })
    const taken = new Set(['10.0.0.5', 'fd00::6'])
    expect(judge(before, answer, { now: 2000, own: taken }).known).toEqual({
      kind: 'addresses',
      addresses: [{ family: 4, text: '10.0.0.6' }],
    })
    const all = new Set([...taken, '10.0.0.6'])
    expect(judge(before, answer, { now: 2000, own: all }).known).toBeNull()
  })

  test('of any kind leaves what was known', async () => {
    const before = made(await ask('app.example.org'))
    expect(before.known).not.toBeNull()
    for (const [name, server] of [
      ['nope.example.org', first],
      ['x.broken.example.com', second],
      ['app.example.org', nobody],
      ['round.example.net', second],
      ['loopback.example.org', first],
      ['own.example.org', first],
    ] as const) {
      const after = made(await ask(name, { servers: [server] }), before)
      expect(after.known).toEqual(before.known)
      expect(after.since).toBe(before.since)
      expect(after.trouble).not.toBeNull()
    }
  })
})

test('a server that is silent delays one name, and then comes last', async () => {
  const deaf = createSocket('udp4').bind(53, '127.0.53.4')
  let heard = 0
  deaf.on('message', () => {
    heard += 1
  })
  await once(deaf, 'listening')
  try {
    const servers = ['127.0.53.4', first]
    const question = asker(() => ({ servers, search: [], hosts: new Map() }))
    expect(made(await question('app.example.org'))).toMatchObject({ server: first, trouble: null })
    // Both families, each sent twice.
    expect(heard).toBe(4)
    expect(made(await question('six.example.org'))).toMatchObject({ server: first, trouble: null })
    expect(heard).toBe(4)
    const state = made(await ask('app.example.org', { servers: ['127.0.53.4'] }))
    expect(state.trouble).toMatchObject({ kind: 'failed', detail: 'silence from 127.0.53.4' })
  } finally {
    deaf.close()
  }
})

test('records that are changed under it are seen with the next question, and a server that was killed when it is back', async () => {
  const server = await startDnsmasq({ address: '127.0.53.3', hosts: '10.0.0.5 app.example.org\n' })
  try {
    const servers = ['127.0.53.3']
    expect((await asked('app.example.org', { servers })).known).toEqual(['10.0.0.5'])
    await server.says('10.0.0.6 app.example.org\n')
    expect((await asked('app.example.org', { servers })).known).toEqual(['10.0.0.6'])
    await server.kill9()
    expect((await asked('app.example.org', { servers })).trouble).toMatchObject({ kind: 'failed' })
    await server.start()
    expect((await asked('app.example.org', { servers })).known).toEqual(['10.0.0.6'])
  } finally {
    await server.end()
  }
})
