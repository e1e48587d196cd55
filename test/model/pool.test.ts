/** Several targets, targets by name, and this machine itself as a target. */
import { describe, expect, test } from 'vitest'
import { describeForward } from '../../src/model/describing.ts'
import { familiesOf, parseForward, printForward } from '../../src/model/forward.ts'
import { problemOf } from './problems.ts'

const forwardWith = (change: object) =>
  parseForward({ name: 'web', listen: 'tcp/8443', to: '10.0.0.5', ...change })

describe('targets', () => {
  test('of one family are a pool, whose shares and order of choosing are kept as written', () => {
    const to = [{ host: '10.0.0.11', port: '443', weight: 2 }, '10.0.0.12:443', '[fd00::12]:443']
    const pool = forwardWith({ to, balance: 'source', on_all_down: 'keep' })
    expect(printForward(pool)).toMatchObject({ to, balance: 'source', on_all_down: 'keep' })
    expect(parseForward(printForward(pool))).toEqual(pool)
    expect(describeForward(pool)).toContain(
      'one of 10.0.0.11:443 (weight 2), 10.0.0.12:443, [fd00::12]:443 by client address',
    )
  })

  test('that drain are written and said', () => {
    const to = ['10.0.0.11:443', { host: '10.0.0.12', port: '443', drain: true }]
    expect(printForward(forwardWith({ to })).to).toEqual(to)
    expect(describeForward(forwardWith({ to }))).toContain('10.0.0.12:443 (draining)')
  })

  test.each([
    ['self', 'self:8443', 'this machine itself'],
    ['self:8443', 'self:8443', 'this machine itself'],
    ['App.Example.org.:80', 'app.example.org:80', 'app.example.org:80'],
    ['container:web_1:80', 'container:web_1:80', 'container:web_1:80'],
    ['srv:_http._tcp.Example.org', 'srv:_http._tcp.example.org', 'srv:_http._tcp.example.org'],
  ])('by name: %s', (to, printed, words) => {
    const forward = forwardWith({ to })
    expect(printForward(forward).to).toBe(printed)
    expect(parseForward(printForward(forward))).toEqual(forward)
    expect(describeForward(forward)).toContain(words)
    expect(familiesOf(forward)).toEqual([4, 6])
  })

  test.each([
    [{ to: 'self:443' }, 'self-port'],
    [{ to: ['self', '10.0.0.5'] }, 'bad-target'],
    [{ to: 'self', source_nat: 'masquerade' }, 'bad-source-nat'],
    [{ to: ['10.0.0.5', '10.0.0.5:8443'] }, 'same-target'],
    [{ to: [{ host: '10.0.0.5', weight: 0 }, '10.0.0.6'] }, 'bad-value'],
    [{ to: [{ host: '10.0.0.5', weight: 1.5 }, '10.0.0.6'] }, 'bad-value'],
    [{ to: 'srv:_http._tcp.example.org:80' }, 'bad-target'],
    [{ to: 'srv:example.org' }, 'bad-target'],
    [{ to: 'container:' }, 'bad-target'],
    [{ to: 'container:../x' }, 'bad-target'],
    [{ listen: 'icmp@203.0.113.5', to: 'app.example.org' }, 'bad-target'],
    [{ listen: 'icmp@203.0.113.5', to: ['10.0.0.5', '10.0.0.6'] }, 'bad-target'],
    [{ to: Array.from({ length: 257 }, (_, at) => `10.0.${at % 2}.${at % 250}:${at + 1}`) }, 'bad-target'],
  ])('that cannot be are refused: %j', (change, code) => {
    expect(problemOf(() => forwardWith(change)).code).toBe(code)
  })
})
