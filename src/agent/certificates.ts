/** Certificates from files, for proxies that end TLS. What is not a certificate with its key is not handed on. */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { closeSync, constants, fstatSync, openSync, readSync, statSync } from 'node:fs'
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

/**
 * Whoever names a file need not mean well: a pipe would keep us waiting, a device has no end, and to open some does something.
 * What a file of /proc has to say is told by no size, so the reading ends by itself.
 */
function readText(path: string): string {
  try {
    if (!statSync(path).isFile()) throw new Error('it is not a file')
    const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
    try {
      if (!fstatSync(file).isFile()) throw new Error('it is not a file')
      return readUpTo(file, largest)
    } finally {
      closeSync(file)
    }
  } catch (error) {
    throw new Error(
      `${path} cannot be read: ${(error as NodeJS.ErrnoException).code ?? (error as Error).message}`,
    )
  }
}

function readUpTo(file: number, most: number): string {
  const bytes = Buffer.alloc(most + 1)
  let length = 0
  for (let more = -1; more !== 0 && length <= most; length += more)
    more = readSync(file, bytes, length, bytes.length - length, null)
  if (length > most) throw new Error('it is too large')
  return bytes.toString('utf8', 0, length)
}

/** The words of OpenSSL may quote what it has read. */
function understood<T>(path: string, read: () => T): T {
  try {
    return read()
  } catch {
    throw new Error(`${path} is not in PEM, or is encrypted`)
  }
}
