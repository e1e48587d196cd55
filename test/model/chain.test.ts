/** A packet is translated once: a target that is an opening of this gateway again is refused, in whatever order it comes. */
import { describe, expect, test } from 'vitest'
import { parseForward } from '../../src/model/forward.ts'
import { noChange, Register } from '../../src/model/register.ts'
import { expectClean, problemOf } from './problems.ts'

const ours = {
  privileged: true,
  isOurs: ({ text }: { text: string }) => text === '203.0.113.5' || text === '2001:db8::5',
}

/** A register that took these short forms one after the other; they are called a, b, c and so on. */
function registerAfter(...shorts: string[]): Register {
  const register = new Register()
  shorts.forEach((short, index) => {
    const [listen, to] = short.split(' -> ')
    const name = String.fromCharCode(97 + index)
    register.apply({ ...noChange, put: [parseForward({ name, listen, to })] }, ours)
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

  test('what was taken one by one is taken whole as well', () => {
    const register = new Register()
    for (const [name, listen, to] of [
      ['a', 'tcp/8080', '203.0.113.9:9090'],
      ['b', 'tcp/9090@203.0.113.9', '10.0.0.5:80'],
    ]) {
      try {
        register.apply({ ...noChange, put: [parseForward({ name, listen, to })] }, ours)
      } catch {
        // Refused here, it is not there to be refused later.
      }
    }
    expect(() =>
      new Register().apply({ ...noChange, put: [...register.forwards.values()] }, ours),
    ).not.toThrow()
  })
})
