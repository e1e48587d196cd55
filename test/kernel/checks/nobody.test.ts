/** Checks of targets that are not there, are silent, or are none: the same for each kind of check. */
import { describe, expect, test } from 'vitest'
import { checkPlace } from '../../../src/kernel/checks/check.ts'
import { type HealthDocument, parseHealth } from '../../../src/model/health.ts'
import { everyCheck, labOfFile, says } from './asking.ts'

const lab = labOfFile()

const saysEach = (more: object, port: number, address?: string) =>
  Promise.all(everyCheck.map((check) => says({ ...check, ...more } as HealthDocument, port, address)))
const each = (words: string) => everyCheck.map(() => words)

test('nobody is on a closed port', async () => {
  expect(await saysEach({}, 7777)).toEqual(each('dead: it refuses connections'))
})

test('one that is silent is waited for no longer than the timeout', async () => {
  await lab().server.nft(`table inet hole { chain in { type filter hook input priority 0;
    tcp dport 9 drop; udp dport 9 drop; }
  }`)
  const began = performance.now()
  expect(await saysEach({ timeout: '500ms' }, 9)).toEqual(each('dead: it did not answer in time'))
  const took = performance.now() - began
  expect(took).toBeGreaterThan(490)
  expect(took).toBeLessThan(3000)
})

test('no host is there, as the kernel says when nobody has answered ARP for three seconds', async () => {
  const said = await saysEach({ every: '20s', timeout: '6s' }, 80, '10.0.0.99')
  // Datagrams do not hear of it (udp(7): only port unreachable is an error of a connected socket).
  const overTcp = everyCheck.flatMap(({ check }, at) =>
    check === 'dns' || check === 'udp' ? [] : [said[at]],
  )
  expect(new Set(overTcp)).toEqual(new Set(['dead: it cannot be reached: "EHOSTUNREACH"']))
  expect(new Set(said.slice(-2))).toEqual(new Set(['dead: it did not answer in time']))
})

describe('nothing is sent to', () => {
  test.each(['10.0.0.1', '203.0.113.1', '127.0.0.1', '169.254.169.254', '100.100.100.200'])(
    '%s',
    async (address) => {
      const { gateway } = lab()
      await gateway.nft(`table inet sent { counter tally { }
      chain out { type filter hook output priority -400; ip daddr ${address} counter name tally; }
    }`)
      const sent = () => gateway.run('nft', ['list', 'counter', 'inet', 'sent', 'tally'])
      for (const said of await saysEach({}, 7777, address))
        expect(said).toMatch(/^unknown: it could not be checked: /)
      expect(await says('icmp', 0, address)).toMatch(/^unknown: it could not be checked: /)
      expect(await sent()).toContain('packets 0 ')
      await gateway.tries('nc', ['-z', '-w', '1', address, '7777'])
      expect(await sent()).not.toContain('packets 0 ')
      await gateway.run('nft', ['delete', 'table', 'inet', 'sent'])
    },
  )
})

test('an address that the gateway has taken a moment ago is found out by the connection itself', async () => {
  const { gateway } = lab()
  gateway.spawn('nc', ['-l', '-k', '10.0.0.1', '7001'])
  await expect.poll(() => gateway.listens('tcp', 7001)).toBe(true)
  const place = { address: '10.0.0.1', port: 7001, timeout: 1000 }
  for (const written of [{ check: 'tcp' }, { check: 'udp', send: 'a', answer: 'b' }] as const) {
    const { check } = parseHealth('health', written)
    const outcome = await checkPlace(place, check, new Set())
    expect(outcome).toEqual({ kind: 'unknown', why: 'it is an address of this gateway' })
  }
})
