/** Ports and openings: what `protocol/ports@address` may be, and what each wrong one is told. */
import { describe, expect, test } from 'vitest'
import { describeListen, listenFamily, parseListen, printListen } from '../../src/model/listen.ts'
import { countPorts, eachPort, parsePorts, printPorts } from '../../src/model/ports.ts'
import { expectRefusal } from './problems.ts'

describe('ports', () => {
  test.each([
    ['80', '80', 1],
    ['080', '80', 1],
    ['443,80', '80,443', 2],
    [' 80 , 443 ', '80,443', 2],
    ['8000-8100', '8000-8100', 101],
    ['80-80', '80', 1],
    ['8000-8002,80,9000', '80,8000-8002,9000', 5],
    ['1-65535', '1-65535', 65535],
  ])('%j are %s', (text, printed, count) => {
    const ports = parsePorts('listen', text)
    expect(printPorts(ports)).toBe(printed)
    expect(countPorts(ports)).toBe(count)
    expect([...eachPort(ports)]).toHaveLength(count)
  })

  test.each([
    ['0', 'bad-ports', '0 is out of range'],
    ['65536', 'bad-ports', '65536 is out of range'],
    ['8000-70000', 'bad-ports', '70000 is out of range'],
    ['8100-8000', 'bad-ports', 'reversed', '8000-8100'],
    ['80,80', 'bad-ports', 'port 80 is named twice'],
    ['8000-8100,8050', 'bad-ports', 'port 8050 is named twice'],
    ['', 'bad-ports'],
    ['80,', 'bad-ports'],
    ['80-', 'bad-ports'],
    ['-80', 'bad-ports'],
    ['80-90-100', 'bad-ports'],
    ['http', 'bad-ports'],
    ['8e1', 'bad-ports'],
    ['0x50', 'bad-ports'],
    ['80.0', 'bad-ports'],
    ['１', 'bad-ports'],
    [`80${',80'.repeat(400)}`, 'bad-ports', 'too long'],
  ] as const)('%j are refused', (...row) => {
    expectRefusal('listen', row, () => parsePorts('listen', row[0]))
  })
})

describe('an opening', () => {
  test.each([
    ['tcp/8080', 'tcp/8080', 'tcp/8080 on any address'],
    ['TCP/8080', 'tcp/8080', 'tcp/8080 on any address'],
    ['udp+tcp/53', 'tcp+udp/53', 'tcp+udp/53 on any address'],
    [' tcp/443,80 ', 'tcp/80,443', 'tcp/80,443 on any address'],
    ['udp/20000-20100@203.0.113.5', 'udp/20000-20100@203.0.113.5', 'udp/20000-20100 on 203.0.113.5'],
    ['tcp/80@[2001:DB8::5]', 'tcp/80@2001:db8::5', 'tcp/80 on 2001:db8::5'],
    ['tcp/80@2001:db8::5', 'tcp/80@2001:db8::5', 'tcp/80 on 2001:db8::5'],
    ['tcp/8080%eth0.100', 'tcp/8080%eth0.100', 'tcp/8080 on interface eth0.100'],
    ['icmp@203.0.113.5', 'icmp@203.0.113.5', 'ping of 203.0.113.5'],
  ])('%j is %s', (text, printed, words) => {
    const listen = parseListen('listen', text)
    expect(printListen(listen)).toBe(printed)
    expect(parseListen('listen', printed)).toEqual(listen)
    expect(describeListen(listen)).toBe(words)
  })

  test('only an address binds it to a family', () => {
    const family = (text: string) => listenFamily(parseListen('listen', text))
    expect(family('tcp/80@203.0.113.5')).toBe(4)
    expect(family('icmp@2001:db8::5')).toBe(6)
    expect(family('tcp/80')).toBeUndefined()
    expect(family('tcp/80%eth0')).toBeUndefined()
  })

  test.each([
    ['', 'bad-listen', 'protocol'],
    ['80', 'bad-listen', 'protocol'],
    ['tcp', 'bad-listen', 'the ports are missing'],
    ['tcp/', 'bad-listen', 'the ports are missing'],
    ['tcp@203.0.113.5', 'bad-listen', 'the ports are missing'],
    ['sctp/80', 'bad-listen', '"sctp" is not tcp, udp or icmp'],
    ['tcp+tcp/80', 'bad-listen', 'named twice'],
    ['tcp+/80', 'bad-listen'],
    ['tcp/80@', 'bad-address'],
    ['tcp/80@127.0.0.1', 'bad-listen', 'loopback'],
    ['tcp/80@0.0.0.0', 'bad-listen', 'leave the address out'],
    ['tcp/80@fe80::1', 'bad-listen', '%interface'],
    ['tcp/80%', 'bad-listen', 'interface'],
    ['tcp/80%a/b', 'bad-listen', 'interface'],
    ['tcp/80%-eth0', 'bad-listen', 'interface'],
    ['tcp/80%sixteen-letters-', 'bad-listen', 'interface'],
    ['tcp/80%eth0@203.0.113.5', 'bad-listen', 'interface'],
    ['icmp', 'bad-listen', 'needs a listen address'],
    ['icmp%eth0', 'bad-listen', 'needs a listen address'],
    ['icmp/8@203.0.113.5', 'bad-listen', 'no ports'],
    ['icmp+tcp/80', 'bad-listen', 'stands alone'],
  ] as const)('%j is refused', (...row) => {
    const [written, code, ...words] = row
    // A bad address or port is quoted by itself.
    const quoted = code === 'bad-address' ? '' : written
    expectRefusal('listen', [quoted, code, ...words], () => parseListen('listen', written))
  })

  test('an address that is none is quoted by itself', () => {
    expectRefusal('listen', ['eth0', 'bad-address'], () => parseListen('listen', 'tcp/80@eth0'))
    expectRefusal('listen', ['99999', 'bad-ports', 'out of range'], () => parseListen('listen', 'tcp/99999'))
  })
})
