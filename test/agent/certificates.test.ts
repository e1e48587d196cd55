/** Files that a hostile controller names as certificates. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { CertificateBook } from '../../src/agent/certificatebook.ts'
import { readCertificate } from '../../src/agent/certificates.ts'
import { parseForward } from '../../src/model/forward.ts'
import { certificateFile } from '../compile/certificate.ts'

const directory = mkdtempSync(join(tmpdir(), 'drawbridge-certificates-'))
afterAll(() => rmSync(directory, { recursive: true }))
const at = (name: string) => join(directory, name)

test('a pipe, a device, a directory and a file without end are no certificates, and nobody waits for them', () => {
  writeFileSync(at('pem'), certificateFile())
  symlinkSync(at('pem'), at('live'))
  expect(readCertificate({ certificate: at('live'), key: at('pem') })).toContain('PRIVATE KEY')

  execFileSync('mkfifo', [at('pipe')])
  symlinkSync('/dev/zero', at('zero'))
  writeFileSync(at('large'), '')
  truncateSync(at('large'), 2 * 1024 * 1024)
  for (const [name, why] of [
    ['pipe', /not a file/],
    ['zero', /not a file/],
    ['', /not a file/],
    ['large', /too large/],
    ['nowhere', /ENOENT/],
  ] as const)
    expect(() => readCertificate({ certificate: at(name), key: at('pem') })).toThrow(why)
  // It says that it is empty, and what is read of it has no end that would come soon.
  expect(() => readCertificate({ certificate: '/proc/kallsyms', key: at('pem') })).toThrow(
    /too large|no certificate/,
  )
})

test('a certificate is kept while it is served with, and what is wrong with it is told while it is wanted', () => {
  const file = at('served')

  const tls = { certificate: file, key: file }
  const { via } = parseForward({ listen: 'tcp/443', to: '10.0.0.5:80', via: 'nginx', tls })
  if (!via) throw new Error('it goes through a proxy')
  const forward = { via }
  const book = new CertificateBook('nginx')
  const tells = () => book.obstacles.map((one) => ('words' in one ? one.words : ''))

  writeFileSync(file, 'nothing')
  book.take([forward], [])
  expect(tells()).toEqual([expect.stringMatching(/no certificate/)])
  expect([book.suffice(forward), book.isEmpty]).toEqual([false, false])
  writeFileSync(file, certificateFile())
  book.take([forward, forward], [])
  expect([book.suffice(forward), tells()]).toEqual([true, []])
  expect(book.filesOf([forward, forward])).toHaveLength(1)

  writeFileSync(file, 'nothing')
  book.take([forward], [forward])
  expect([book.suffice(forward), tells().length]).toEqual([true, 1])
  book.take([], [forward])
  expect([book.suffice(forward), tells()]).toEqual([true, []])
  book.take([], [])
  expect([book.suffice(forward), book.isEmpty]).toEqual([false, true])
})
