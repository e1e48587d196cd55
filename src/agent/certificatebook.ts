/** The certificates with which a proxy ends TLS: the last good one of each, and what is wrong with those that there are now. */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { certificateKey } from '../compile/proxy/haproxy.ts'
import type { Passage } from '../compile/proxy/passages.ts'
import type { Obstacle } from '../model/foreign.ts'
import type { Certificate, ProxyName } from '../model/via.ts'
import { readCertificate } from './certificates.ts'

interface Kept {
  readonly name: string
  readonly text: string
}

type Ending = Pick<Passage, 'via'>

export class CertificateBook {
  readonly #proxy: ProxyName
  /** By `certificateKey`, as are troubles. */
  readonly #good = new Map<string, Kept>()
  readonly #troubles = new Map<string, Obstacle>()

  constructor(proxy: ProxyName) {
    this.#proxy = proxy
  }

  /** Reads what is wanted anew, and forgets what is neither wanted nor served with any more. */
  take(wanted: readonly Ending[], served: readonly Ending[]): void {
    const certificates = keysOf(wanted)
    for (const [key, certificate] of certificates) this.#read(key, certificate)
    const leaving = keysOf(served)
    for (const key of this.#good.keys())
      if (!certificates.has(key) && !leaving.has(key)) this.#good.delete(key)
    for (const key of this.#troubles.keys()) if (!certificates.has(key)) this.#troubles.delete(key)
  }

  /** Whether what it needs to end TLS is there, if it does. */
  suffice({ via: { tls } }: Ending): boolean {
    return !tls || this.#good.has(certificateKey(tls))
  }

  /** Whether there is nothing to be read again. */
  get isEmpty(): boolean {
    return this.#good.size + this.#troubles.size === 0
  }

  get obstacles(): readonly Obstacle[] {
    return [...this.#troubles.values()]
  }

  /** Each once. */
  filesOf(passages: readonly Ending[]): Kept[] {
    const files = [...keysOf(passages).keys()].flatMap((key) => this.#good.get(key) ?? [])
    return [...new Map(files.map((file) => [file.name, file])).values()]
  }

  /** Where each lies, by `certificateKey`. */
  pathsIn(directory: string): ReadonlyMap<string, string> {
    return new Map([...this.#good].map(([key, { name }]) => [key, join(directory, name)]))
  }

  #read(key: string, certificate: Certificate): void {
    try {
      const text = readCertificate(certificate)
      this.#good.set(key, { name: `certificate_${digest(text)}.pem`, text })
      this.#troubles.delete(key)
    } catch (error) {
      const { message: words } = error as Error
      this.#troubles.set(key, { kind: 'certificate', proxy: this.#proxy, words })
    }
  }
}

function keysOf(passages: readonly Ending[]): ReadonlyMap<string, Certificate> {
  return new Map(passages.flatMap(({ via: { tls } }) => (tls ? [[certificateKey(tls), tls] as const] : [])))
}

export function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16)
}
