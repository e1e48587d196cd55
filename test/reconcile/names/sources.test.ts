/** Who is asked: /etc/hosts and /etc/resolv.conf, read anew when they have changed. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { sourcesIn } from '../../../src/reconcile/names/sources.ts'

function etc(): { directory: string; writes: (name: string, text: string) => void } {
  const directory = mkdtempSync(join(tmpdir(), 'etc-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  return { directory, writes: (name, text) => writeFileSync(join(directory, name), text) }
}

test('without files the server of this machine is asked', () => {
  const { directory } = etc()
  expect(sourcesIn(directory)()).toEqual({ servers: ['127.0.0.1'], search: [], hosts: new Map() })
})

test('servers and search domains are those of resolv.conf, and what is no address is no server', () => {
  const { directory, writes } = etc()
  writes(
    'resolv.conf',
    '# made by hand\ndomain old.example\nsearch Lan.Example.ORG. example.net\nnameserver 10.0.0.53\n nameserver fe80::1%eth0\nnameserver nonsense\noptions ndots:5\n',
  )
  expect(sourcesIn(directory)()).toMatchObject({
    servers: ['10.0.0.53', 'fe80::1%eth0'],
    search: ['lan.example.org', 'example.net'],
  })
})

test('a name of /etc/hosts has all addresses of its lines, in small letters', () => {
  const { directory, writes } = etc()
  writes('hosts', '10.0.0.5  App db # both\nfd00::5\tapp\nnot an address\n\n10.0.0.6 app\n')
  const { hosts } = sourcesIn(directory)()
  expect(hosts.get('app')?.map(({ text }) => text)).toEqual(['10.0.0.5', 'fd00::5', '10.0.0.6'])
  expect(hosts.get('db')?.map(({ text }) => text)).toEqual(['10.0.0.5'])
  expect(hosts.has('both')).toBe(false)
})

test('files that change are read anew, those that come and go too', () => {
  const { directory, writes } = etc()
  const sources = sourcesIn(directory)
  writes('resolv.conf', 'nameserver 10.0.0.53\n')
  expect(sources().servers).toEqual(['10.0.0.53'])
  writes('resolv.conf', 'nameserver 10.0.0.153\n')
  expect(sources().servers).toEqual(['10.0.0.153'])
  rmSync(join(directory, 'resolv.conf'))
  expect(sources().servers).toEqual(['127.0.0.1'])
})
