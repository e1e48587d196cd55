/** Targets against their opening: the same port, an offset, many to one, and where that is not clear. */
import { describe, expect, test } from 'vitest'
import { parseListen } from '../../src/model/listen.ts'
import { mapPort } from '../../src/model/mapping.ts'
import { eachPort } from '../../src/model/ports.ts'
import { parseTarget, printTarget } from '../../src/model/target.ts'
import { expectRefusal } from './problems.ts'

function targetOf(opening: string, text: string) {
  const listen = parseListen('listen', opening)
  return { listen, target: parseTarget('to', text, listen, null) }
}

/** Where each port of the opening goes, as `8000>80`. */
function mapped(opening: string, text: string): string {
  const { listen, target } = targetOf(opening, text)
  if (listen.kind === 'ping') return ''
  return [...eachPort(listen.ports)].map((port) => `${port}>${mapPort(target.ports, port, listen)}`).join(' ')
}

describe('ports map', () => {
  test.each([
    ['tcp/8443', '10.0.0.5:443', '8443>443'],
    ['tcp/8443', '10.0.0.5', '8443>8443'],
    ['tcp/8443', '10.0.0.5:8443', '8443>8443'],
    ['tcp/80,443', '10.0.0.5', '80>80 443>443'],
    ['tcp/8000-8002', '10.0.0.5', '8000>8000 8001>8001 8002>8002'],
    ['tcp/8000-8002', '10.0.0.5:9000', '8000>9000 8001>9001 8002>9002'],
    ['tcp/8000-8002', '10.0.0.5:9000-9002', '8000>9000 8001>9001 8002>9002'],
    ['tcp/8000-8002', '10.0.0.5:=80', '8000>80 8001>80 8002>80'],
    ['tcp/80,443', '10.0.0.5:8080', '80>8080 443>8080'],
    ['tcp/80,443', '10.0.0.5:=8080', '80>8080 443>8080'],
    ['tcp/80,8000-8001', '10.0.0.5:=9', '80>9 8000>9 8001>9'],
    ['udp/65534-65535', '[fd00::5]:1', '65534>1 65535>2'],
  ])('%s to %s: %s', (opening, text, expected) => {
    expect(mapped(opening, text)).toBe(expected)
  })
})

describe('one meaning, one value', () => {
  test.each([
    ['tcp/80', ['10.0.0.5', '10.0.0.5:80', '10.0.0.5:80-80', '10.0.0.5:=80', ' 10.0.0.5:80 ']],
    ['tcp/8443', ['10.0.0.5:443', '10.0.0.5:443-443', '10.0.0.5:=443']],
    ['tcp/8000-8002', ['10.0.0.5', '10.0.0.5:8000', '10.0.0.5:8000-8002']],
    ['tcp/80,443', ['10.0.0.5:8080', '10.0.0.5:=8080']],
    ['tcp/80', ['fd00::5', '[fd00::5]', '[FD00::0:5]:80']],
  ])('of %s', (opening, texts) => {
    const values = texts.map((text) => targetOf(opening, text).target)
    for (const value of values) expect(value).toEqual(values[0])
  })

  test.each([
    ['tcp/8443', '10.0.0.5:443', '10.0.0.5:443'],
    ['tcp/80', '10.0.0.5', '10.0.0.5:80'],
    ['tcp/80,443', '10.0.0.5', '10.0.0.5'],
    ['tcp/8000-8002', '10.0.0.5:9000', '10.0.0.5:9000-9002'],
    ['tcp/8000-8002', '[fd00::5]:=80', '[fd00::5]:=80'],
    ['icmp@203.0.113.5', '10.0.0.5', '10.0.0.5'],
  ])('of %s is printed so that it can be read again: %s', (opening, text, printed) => {
    const { listen, target } = targetOf(opening, text)
    expect(printTarget(target, listen)).toBe(printed)
    expect(parseTarget('to', printed, listen, null)).toEqual(target)
  })
})

describe('a target is refused', () => {
  test.each([
    ['tcp/80', '', 'bad-target', 'not an address'],
    ['tcp/80', '10.0.0.256:80', 'bad-target', 'not an address'],
    ['tcp/80', '10.0.0.5:80:90', 'bad-target', 'brackets'],
    ['tcp/80', 'fd00::5:80:', 'bad-target', 'brackets'],
    ['tcp/80', '[fd00::5', 'bad-target'],
    ['tcp/80', '10.0.0.5:80,443', 'bad-target', 'one port or one range'],
    ['tcp/80-81', '10.0.0.5:=80-81', 'bad-target', 'one port'],
    ['tcp/80', 'fe80::1%eth0', 'bad-target'],
    ['tcp/80', '127.0.0.1:80', 'target-unusable', 'loopback'],
    ['tcp/80', '[::1]:80', 'target-unusable', 'loopback'],
    ['tcp/80', '0.0.0.0', 'target-unusable', 'unspecified'],
    ['tcp/80', '224.0.0.1', 'target-unusable', 'one host'],
    ['tcp/80', '169.254.1.1', 'target-unusable', 'link'],
    ['tcp/80@203.0.113.5', '[fd00::5]:80', 'target-family', 'tcp/80@203.0.113.5'],
    ['icmp@2001:db8::5', '10.0.0.5', 'target-family', 'icmp@2001:db8::5'],
    ['icmp@203.0.113.5', '10.0.0.5:80', 'bad-target', 'no ports'],
    ['udp/20000-20100', '10.0.0.9:10000-10050', 'ports-differ', '51 ports', '101'],
    ['tcp/80', '10.0.0.9:80-81', 'ports-differ', '2 ports'],
    ['tcp/80,8000-8001', '10.0.0.5:9000', 'ports-ambiguous', 'tcp/80,8000-8001'],
    ['tcp/8000-8002', '10.0.0.5:65534', 'ports-overflow', '65536'],
  ])('%s to %s', (opening, text, code, ...words) => {
    expectRefusal('to', [text, code, ...words], () => targetOf(opening, text))
  })

  test.each(['localhost', 'db.localhost', 'web!', '-web', 'a..b', '_web', 'bücher.example'])(
    'the host name %s',
    (host) => {
      expectRefusal('to', [host, 'bad-target'], () => targetOf('tcp/80', `${host}:80`))
    },
  )

  test('a port that is none is quoted by itself', () => {
    expectRefusal('to', ['99999', 'bad-ports', 'out of range'], () => targetOf('tcp/80', '10.0.0.5:99999'))
    expectRefusal('to', ['', 'bad-ports'], () => targetOf('tcp/80', '10.0.0.5:'))
  })

  test('ranges that differ are told apart in words that are true', () => {
    // Three ports to three ports, but of several ranges: counting them is no explanation.
    expect(() => targetOf('tcp/2080,2443-2444', '10.0.0.5:1000-1002')).not.toThrow(/names 3 ports.* has 3/)
  })
})
