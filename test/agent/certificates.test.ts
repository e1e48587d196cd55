/** Files that a hostile controller names as certificates. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readCertificate } from '../../src/agent/certificates.ts'
import { certificateFile } from '../compile/certificate.ts'

const directory = mkdtempSync(join(tmpdir(), 'drawbridge-certificates-'))
const at = (name: string) => join(directory, name)

test('a pipe, a device, a directory and a file without end are no certificates, and nobody waits for them', (t) => {
  t.onTestFinished(() => rmSync(directory, { recursive: true }))
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
