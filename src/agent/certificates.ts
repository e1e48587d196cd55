/** Certificates from files, for proxies that end TLS. What is not a certificate with its key is not handed on. */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import type { Certificate } from '../model/via.ts'

const largest = 1024 * 1024

/** Both in one text, made anew from what was understood: of any other file nothing gets out. Throws with what is wrong. */
export function readCertificate({ certificate, key }: Certificate): string {
  const chain =
    readText(certificate).match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  const [first, ...more] = chain.map((pem) => understood(certificate, () => new X509Certificate(pem)))
  if (!first) throw new Error(`${certificate} holds no certificate`)
  const secret = understood(key, () => createPrivateKey(readText(key)))
  if (!first.checkPrivateKey(secret)) throw new Error(`${key} is not the key of ${certificate}`)
  const pems = [first, ...more].map((one) => one.toString())
  return `${pems.join('')}${secret.export({ type: 'pkcs8', format: 'pem' })}`
}

function readText(path: string): string {
  try {
    if (statSync(path).size > largest) throw new Error('it is too large')
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new Error(
      `${path} cannot be read: ${(error as NodeJS.ErrnoException).code ?? (error as Error).message}`,
    )
  }
}

/** The words of OpenSSL may quote what it has read. */
function understood<T>(path: string, read: () => T): T {
  try {
    return read()
  } catch {
    throw new Error(`${path} is not in PEM, or is encrypted`)
  }
}
