/** A gateway file, and the two small texts beside it: the mark and a duration. */
import { describe, expect, test } from 'vitest'
import { parseGateway, parseMark, printGateway, printMark } from '../../src/model/gateway.ts'
import { parseDuration } from '../../src/model/limits.ts'
import { expectClean, expectRefusal, problemOf } from './problems.ts'

describe('a gateway', () => {
  test('is read whole, and printed with nothing that is a default', () => {
    const written = {
      version: 1,
      privileged: true,
      mark: '0x100/0xff00',
      lists: { office: ['198.51.100.0/24', '2001:db8:7::/48'], none: [] },
      forwards: [
        'tcp/8443 -> 10.0.0.5:443',
        { name: 'dns', listen: 'udp/53', to: '10.0.0.5', from: 'office' },
      ],
    }
    const gateway = parseGateway(written)
    expect(printGateway(gateway)).toEqual({
      ...written,
      mark: '0x00000100/0x0000ff00',
      forwards: [
        { name: 'tcp-8443', listen: 'tcp/8443', to: '10.0.0.5:443' },
        { name: 'dns', listen: 'udp/53', to: '10.0.0.5:53', from: ['office'] },
      ],
    })
    expect(printGateway(parseGateway({ version: 1 }))).toEqual({ version: 1, forwards: [] })
  })

  test('a list says each prefix once', () => {
    const { lists } = parseGateway({
      version: 1,
      lists: { office: ['10.0.0.1/32', '10.0.0.1', ' 10.0.0.1 '] },
    })
    expect(lists).toEqual([{ name: 'office', prefixes: [{ family: 4, text: '10.0.0.1', length: 32 }] }])
  })

  test.each([
    [{}, 'missing-value', 'version'],
    [{ version: 2 }, 'bad-value', 'version'],
    [{ version: '1' }, 'bad-value', 'version'],
    [{ version: 1, forwards: {} }, 'bad-value', 'forwards'],
    [{ version: 1, forwards: [5] }, 'bad-value', 'forwards[0]'],
    [
      { version: 1, forwards: ['tcp/80 -> 10.0.0.5', { listen: 'tcp/0', to: '10.0.0.5' }] },
      'bad-ports',
      'forwards[1].listen',
    ],
    [
      { version: 1, forwards: [{ listen: 'tcp/80', to: { hots: 'x' } }] },
      'unknown-key',
      'forwards[0].to.hots',
    ],
    [{ version: 1, lists: { office: ['10.0.0.0/8', 'x'] } }, 'bad-prefix', 'lists.office[1]'],
    [{ version: 1, lists: { office: [5] } }, 'bad-value', 'lists.office'],
    [{ version: 1, lists: { '9': [] } }, 'bad-name', 'lists'],
    [{ version: 1, lists: [] }, 'bad-value', 'lists'],
    [{ version: 1, mark: '5' }, 'bad-value', 'mark'],
    [{ version: 1, priviledged: true }, 'unknown-key', 'priviledged'],
    ['version: 1', 'bad-value', 'document'],
  ])('%j is refused', (written, code, word) => {
    const problem = problemOf(() => parseGateway(written))
    expect(problem.code).toBe(code)
    expect(problem.message).toContain(word)
    expectClean(problem)
  })

  test('a missing version is not answered with what a forward needs', () => {
    expect(problemOf(() => parseGateway({ forwards: [] })).remedy).toContain('version: 1')
  })

  test('no list goes missing without a word, whatever it is called', () => {
    const hostile: unknown = JSON.parse('{ "version": 1, "lists": { "__proto__": ["10.0.0.0/8"] } }')
    expect(problemOf(() => parseGateway(hostile))).toMatchObject({ code: 'bad-name' })
  })

  test('a list cannot be called what means everybody', () => {
    expect(problemOf(() => parseGateway({ version: 1, lists: { anywhere: ['10.0.0.1'] } }))).toMatchObject({
      code: 'bad-name',
    })
  })
})

describe('the mark', () => {
  test.each([
    ['0x2db00000/0xfff00000', '0x2db00000/0xfff00000'],
    ['0x1/0x1', '0x00000001/0x00000001'],
    ['0XFFFFFFFF/0xffffffff'.replace('0X', '0x'), '0xffffffff/0xffffffff'],
    ['0x80000000/0x80000000', '0x80000000/0x80000000'],
  ])('%s', (text, printed) => {
    expect(printMark(parseMark('mark', text))).toBe(printed)
  })

  test.each([
    '',
    '1/1',
    '0x0/0xff',
    '0x100/0xff',
    '0x1',
    '0x1/0x1/0x1',
    '0x123456789/0xffffffff',
    '0x1/0x1; drop',
  ])('%j is refused', (text) => {
    expectRefusal('mark', [text, 'bad-value', 'inside the mask'], () => parseMark('mark', text))
  })
})

describe('a duration', () => {
  test.each([
    ['90s', 90_000],
    ['15m', 900_000],
    ['2h', 7_200_000],
    [' 3d ', 259_200_000],
    ['1w', 604_800_000],
  ])('%j', (text, milliseconds) => {
    expect(parseDuration('--for', text)).toBe(milliseconds)
  })

  test.each(['', '2', '0h', '-2h', '1.5h', '2 h', '2y', '1234567s', '1h30m'])('%j is refused', (text) => {
    expectRefusal('--for', [text, 'bad-value', '2h'], () => parseDuration('--for', text))
  })
})
