/** A packet is translated once: a target that is an opening of this gateway again is refused, in whatever order it comes. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseForward } from '../../src/model/forward.ts'
import { Problem } from '../../src/model/problem.ts'
import { asKept, noChange, Register } from '../../src/model/register.ts'
import { holds } from './arbitrary.ts'
import { expectClean, problemOf } from './problems.ts'

const circumstances = { privileged: true, ours: new Set(['203.0.113.5', '2001:db8::5']) }

/** A register that took these short forms one after the other; they are called a, b, c and so on. */
function registerAfter(...shorts: string[]): Register {
  const register = new Register()
  shorts.forEach((short, index) => {
    const [listen, to] = short.split(' -> ')
    const name = String.fromCharCode(97 + index)
    register.apply({ ...noChange, put: [parseForward({ name, listen, to })] }, circumstances)
  })
  return register
}

describe('a forward to itself', () => {
  test.each([
    'tcp/8080 -> 203.0.113.5',
    'tcp/8080@203.0.113.5 -> 203.0.113.5:8080',
    'tcp/8080@203.0.113.9 -> 203.0.113.9',
    'tcp/8080@203.0.113.9 -> 203.0.113.9:8080',
    'tcp/8000-8010 -> 203.0.113.5:8005',
    'tcp/8080,9090 -> 203.0.113.5:=9090',
    'udp/53%eth0 -> 203.0.113.5:53',
    'tcp/8080 -> [2001:db8::5]:8080',
    'icmp@203.0.113.5 -> 203.0.113.5',
  ])('%s', (short) => {
    const problem = problemOf(() => registerAfter(short))
    expect(problem).toMatchObject({ code: 'loop', status: 400 })
    expect(problem.message).toMatch(/^to: /)
    expectClean(problem)
  })

  test.each([
    ['another port of this machine', 'tcp/8080 -> 203.0.113.5:80'],
    ['the other protocol', 'tcp/53 -> 203.0.113.5:5353'],
    ['a machine behind', 'tcp/8080 -> 10.0.0.5:8080'],
  ])('but not %s', (_, short) => {
    expect(() => registerAfter(short)).not.toThrow()
  })
})

describe('forwards that lead to each other', () => {
  test('in a circle are a loop, whose path is told', () => {
    const problem = problemOf(() => registerAfter('tcp/8080 -> 203.0.113.5:80', 'tcp/80 -> 203.0.113.5:8080'))
    expect(problem.code).toBe('loop')
    expect(problem.message).toContain('b -> tcp/8080 of 203.0.113.5 -> a')
  })

  test('in a circle of three are one too', () => {
    const shorts = [
      'tcp/8001 -> 203.0.113.5:8002',
      'tcp/8003 -> 203.0.113.5:8001',
      'tcp/8002 -> 203.0.113.5:8003',
    ]
    expect(problemOf(() => registerAfter(...shorts)).code).toMatch(/loop|chained/)
  })

  test('in a row are told what to write instead', () => {
    const problem = problemOf(() => registerAfter('tcp/80 -> 10.0.0.5:80', 'tcp/8080 -> 203.0.113.5:80'))
    expect(problem.code).toBe('chained')
    expect(problem.message).toContain('tcp/80 of 203.0.113.5')
    expect(problem.remedy).toContain('target of "a"')
  })

  test.each([
    ['tcp/9090@203.0.113.9 -> 10.0.0.5:80', 'tcp/8080 -> 203.0.113.9:9090'],
    ['tcp/8080 -> 203.0.113.9:9090', 'tcp/9090@203.0.113.9 -> 10.0.0.5:80'],
    ['tcp/8080 -> 203.0.113.5:9090', 'tcp/9090 -> 10.0.0.5:80'],
  ])('in a row are refused in this order too: %s, %s', (first, second) => {
    expect(problemOf(() => registerAfter(first, second)).code).toBe('chained')
  })

  test('are no longer in the way when they are gone, or lead elsewhere', () => {
    const register = registerAfter('tcp/8080 -> 203.0.113.9:9090', 'tcp/8081 -> 203.0.113.9:9090')
    const elsewhere = parseForward({ name: 'b', listen: 'tcp/8081', to: '10.0.0.5' })
    const listening = parseForward({ name: 'c', listen: 'tcp/9090@203.0.113.9', to: '10.0.0.5' })
    expect(() => register.apply({ ...noChange, put: [listening] }, circumstances)).toThrow(/tcp\/9090/)
    register.apply({ ...noChange, remove: ['a'], put: [elsewhere] }, circumstances)
    expect(() => register.apply({ ...noChange, put: [listening] }, circumstances)).not.toThrow()
  })

  test('as those of another family are not', () => {
    expect(() => registerAfter('tcp/8080 -> 203.0.113.5:80', 'tcp/80 -> fd00::5')).not.toThrow()
  })
})

/** Forwards whose targets are often openings, and machines that have some of the addresses. */
const addresses = fc.constantFrom('203.0.113.5', '203.0.113.6', '2001:db8::5', '10.0.0.5')
const ports = fc.constantFrom('tcp/1', 'tcp/2', 'tcp/1-3', 'tcp+udp/3')
const meeting = fc.oneof(
  fc.record({ listen: addresses.map((address) => `icmp@${address}`), to: addresses }),
  fc.record({
    listen: fc
      .tuple(
        ports,
        fc.oneof(
          addresses.map((address) => `@${address}`),
          fc.constantFrom('', '%eth0'),
        ),
      )
      .map((parts) => parts.join('')),
    to: fc.record({ host: addresses, port: fc.constantFrom('=1', '=2', '=3', '=4') }),
  }),
)

describe('what was taken one by one', () => {
  test('is taken whole as well, also when an address became one of ours by a third forward', () => {
    const register = takenOf(
      [
        { listen: 'tcp/1@203.0.113.5', to: '203.0.113.6:2' },
        { listen: 'tcp/1@203.0.113.6', to: '10.0.0.5' },
        { listen: 'tcp/2', to: '10.0.0.5' },
      ],
      new Set(),
    )
    expect(() =>
      new Register().apply({ ...noChange, put: [...register.forwards.values()] }, asKept),
    ).not.toThrow()
  })

  test('is taken whole as well, as when the store is opened again', () => {
    holds(
      fc.tuple(fc.array(meeting, { maxLength: 8, size: 'max' }), fc.uniqueArray(addresses)),
      ([written, ours]) => {
        const register = takenOf(written, new Set(ours))
        const put = [...register.forwards.values()]
        expect(() => new Register().apply({ ...noChange, put }, asKept)).not.toThrow()
        expect(() =>
          new Register().apply({ ...noChange, put }, { ...asKept, ours: new Set(ours) }),
        ).not.toThrow()
      },
      2000,
    )
  })
})

/** The register of those that were not refused. */
function takenOf(written: readonly object[], ours: ReadonlySet<string>): Register {
  const register = new Register()
  written.forEach((one, index) => {
    try {
      register.apply({ ...noChange, put: [parseForward({ name: `f${index}`, ...one })] }, { ...asKept, ours })
    } catch (error) {
      if (!(error instanceof Problem)) throw error
    }
  })
  return register
}
