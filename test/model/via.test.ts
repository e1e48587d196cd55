/** Forwards through a proxy: what is written, what goes together, and who may share an opening. */
import { describe, expect, test } from 'vitest'
import { describeForward } from '../../src/model/describing.ts'
import type { ForwardDocument } from '../../src/model/document.ts'
import { parseForward, printForward } from '../../src/model/forward.ts'
import { noChange, Register } from '../../src/model/register.ts'
import { nowhere } from './arbitrary.ts'
import { problemOf } from './problems.ts'

const base = { name: 'app', listen: 'tcp/8443', to: '10.0.0.5:443', via: 'haproxy' } as const

describe('a forward through a proxy', () => {
  test.each<Partial<ForwardDocument>>([
    {},
    { via: 'nginx' },
    { to: '127.0.0.1:443' },
    { to: '[::1]:443', listen: 'tcp/8443@203.0.113.5' },
    { to: ['app.example.org:443', '10.0.0.5:443', '[fd00::5]:443'], balance: 'least-connections' },
    { proxy_protocol: 'v2', sni: 'app.example.org' },
    { tls: { certificate: '/etc/ssl/app.pem', key: '/etc/ssl/private/app.key' } },
    { queue: { per_target: 100, wait: 30 }, retries: 0 },
  ])('is printed as it was read: %j', (more) => {
    const forward = parseForward({ ...base, ...more })
    expect(printForward(forward)).toEqual({ ...base, ...more })
    expect(parseForward(printForward(forward))).toEqual(forward)
  })

  test('says what it does', () => {
    const forward = parseForward({ ...base, sni: 'App.Example.org.', proxy_protocol: 'v1' })
    expect(describeForward(forward)).toBe(
      'tcp/8443 on any address -> 10.0.0.5:443, from anywhere, through haproxy for TLS to app.example.org, client address told by PROXY protocol v1',
    )
  })

  test.each<[Partial<ForwardDocument>, string]>([
    [{ via: undefined, sni: 'app.example.org' }, 'needs-proxy'],
    [{ via: undefined, balance: 'least-connections' }, 'needs-proxy'],
    [{ via: undefined, to: '127.0.0.1:443' }, 'target-unusable'],
    [{ listen: 'udp/8443' }, 'bad-via'],
    [{ listen: 'tcp+udp/8443' }, 'bad-via'],
    [{ listen: 'tcp/8000-8100', to: '10.0.0.5' }, 'bad-via'],
    [{ to: 'self:8443' }, 'bad-target'],
    [{ source_nat: 'preserve' }, 'bad-source-nat'],
    [{ via: 'nginx', proxy_protocol: 'v2' }, 'bad-via'],
    [{ via: 'nginx', queue: { per_target: 1 } }, 'bad-via'],
    [{ sni: 'app.example.org', tls: { certificate: '/a', key: '/b' } }, 'bad-via'],
    [{ sni: '*.example.org' }, 'bad-value'],
    [{ sni: '10.0.0.5' }, 'bad-value'],
    [{ sni: 'a.b"\n  use_backend x' }, 'bad-value'],
    [{ tls: { certificate: 'app.pem', key: '/b' } }, 'bad-value'],
    [{ tls: { certificate: '/etc/../shadow', key: '/b' } }, 'bad-value'],
    [{ tls: { certificate: '/a b', key: '/b' } }, 'bad-value'],
    [{ queue: { per_target: 0 } }, 'bad-value'],
    [{ retries: 1.5 }, 'bad-value'],
  ])('is refused as %j', (more, code) => {
    expect(problemOf(() => parseForward({ ...base, ...more })).code).toBe(code)
  })
})

describe('an opening shared by server name', () => {
  const named = (name: string, more: Partial<ForwardDocument> = {}) =>
    parseForward({ ...base, name, sni: `${name}.example.org`, ...more })
  const holding = (...forwards: readonly ReturnType<typeof named>[]) => {
    const register = new Register()
    register.apply({ ...noChange, put: forwards }, nowhere)
    return register
  }

  test('is held by all of them, whoever goes first', () => {
    const [a, b, c] = [named('a'), named('b'), named('c')]
    for (const order of [
      [0, 1, 2],
      [2, 1, 0],
      [1, 0, 2],
    ] as const) {
      const register = holding(a, b, c)
      const taken = parseForward({ name: 'other', listen: 'tcp/8443', to: '10.0.0.9:1' })
      for (const at of order) {
        expect(problemOf(() => register.check({ ...noChange, put: [taken] }, nowhere)).code).toBe(
          'listen-taken',
        )
        const name = [a, b, c][at]?.name ?? ''
        register.apply({ ...noChange, remove: [name] }, nowhere)
      }
      register.check({ ...noChange, put: [taken] }, nowhere)
    }
  })

  test.each<[Partial<ForwardDocument>, string]>([
    [{ sni: 'a.example.org' }, 'both take a.example.org'],
    [{ from: '198.51.100.0/24' }, 'they admit different sources'],
    [{ limits: { open_per_source: 3 } }, 'they have different limits'],
  ])('not with %j', (more, why) => {
    const register = holding(named('a'))
    const problem = problemOf(() => register.check({ ...noChange, put: [named('b', more)] }, nowhere))
    expect(problem).toMatchObject({ code: 'not-shared' })
    expect(problem.message).toContain(why)
  })

  test('of nginx, which has one way to say it for all, not with another PROXY protocol', () => {
    const [a, b] = [named('a', { via: 'nginx' }), named('b', { via: 'nginx', proxy_protocol: 'v1' })]
    expect(problemOf(() => holding(a, b)).message).toContain('one proxy_protocol')
    holding(named('a'), named('b', { proxy_protocol: 'v1' }))
  })

  test.each<Partial<ForwardDocument>>([{ via: 'nginx' }, { sni: undefined }, { listen: 'tcp/8443-8444' }])(
    'nor by one with %j',
    (more) => {
      const register = holding(named('a'))
      const problem = problemOf(() => register.check({ ...noChange, put: [named('b', more)] }, nowhere))
      expect(problem.code).toBe('listen-taken')
    },
  )
})
