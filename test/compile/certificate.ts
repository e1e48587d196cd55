/** A certificate and its key in one text, made for the occasion. */
import { execFileSync } from 'node:child_process'

export function certificateFile(): string {
  const made = [
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-subj',
    '/CN=app.example.org',
  ]
  const args = ['req', '-x509', ...made, '-keyout', '-', '-out', '-']
  return execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
}
