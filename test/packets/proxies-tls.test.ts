/** TLS through a proxy of our own: passed on by the server name that the client asks for, or ended with a certificate from files. */
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { ForwardDocument } from '../../src/model/document.ts'
import { type Drawbridge, startDrawbridge } from '../lab/drawbridge.ts'
import type { Host } from '../lab/host.ts'
import { type Lab, startLab } from '../lab/lab.ts'

let lab: Lab
let drawbridge: Drawbridge
let directory: string

const patient = { timeout: 20_000, interval: 100 }

beforeAll(async () => {
  lab = await startLab()
  directory = await mkdtemp(join(tmpdir(), 'drawbridge-tls-'))
  await chmod(directory, 0o755)
  lab.defer(() => rm(directory, { recursive: true, force: true }))
  drawbridge = await startDrawbridge(lab)
  await serves(lab.server, 'a.example.org')
  await serves(lab.other, 'b.example.org')
  await lab.server.answers('tcp', 80)
})
afterAll(() => lab?.close())

/** A certificate for the name, as files that root alone may read. */
async function certificate(name: string, file = name): Promise<{ certificate: string; key: string }> {
  const files = { certificate: join(directory, `${file}.pem`), key: join(directory, `${file}.key`) }
  const made = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', `/CN=${name}`]
  await lab.gateway.run('openssl', ['req', '-x509', ...made, '-keyout', files.key, '-out', files.certificate])
  for (const path of Object.values(files)) await chmod(path, 0o600)
  return files
}

/** A TLS server of its own, with a certificate that says who it is. */
async function serves(host: Host, name: string): Promise<void> {
  const { certificate: cert, key } = await certificate(name)
  const server = host.spawn('openssl', ['s_server', '-accept', '443', '-cert', cert, '-key', key, '-quiet'])
  await vi.waitFor(async () => expect(await host.listens('tcp', 443)).toBe(true), patient)
  lab.defer(() => server.end())
}

/** The name in the certificate that a client is shown; '' when there is none. */
async function shown(address: string, port: number, asked: string | null): Promise<string> {
  const name = asked === null ? ['-noservername'] : ['-servername', asked]
  const to = address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
  const { stdout } = await lab.client.tries('openssl', ['s_client', '-connect', to, ...name], {
    input: 'Q\n',
  })
  return /subject=CN = (\S+)/.exec(stdout)?.[1] ?? ''
}

describe.each([
  ['haproxy', 8000],
  ['nginx', 8500],
] as const)('through %s', (via, base) => {
  const opens = (forward: ForwardDocument) => drawbridge.api.open({ forward: { via, ...forward } })

  test('two forwards on one port: each name goes to its own target, no other name and no silence gets anywhere', async () => {
    const { gateway, server, other } = lab
    const listen = `tcp/${base}`
    await opens({ name: `${via}-a`, listen, to: server.at(443), sni: 'a.example.org' })
    await opens({ name: `${via}-b`, listen, to: other.at(443), sni: 'b.example.org' })
    for (const address of [gateway.outside, gateway.outside6]) {
      expect(await shown(address, base, 'a.example.org')).toBe('a.example.org')
      expect(await shown(address, base, 'B.EXAMPLE.org')).toBe('b.example.org')
      expect(await shown(address, base, 'c.example.org')).toBe('')
      expect(await shown(address, base, null)).toBe('')
    }
    const { stdout } = await drawbridge.cli(['list'])
    expect(stdout).toMatch(new RegExp(`${via}-a[^]*${via}-b`))
  })

  test('one of them goes, whichever it is, and the other stays', async () => {
    const { gateway, server } = lab
    await drawbridge.closes(`${via}-a`)
    expect(await shown(gateway.outside, base, 'b.example.org')).toBe('b.example.org')
    await vi.waitFor(
      async () => expect(await shown(gateway.outside, base, 'a.example.org')).toBe(''),
      patient,
    )
    await opens({ name: `${via}-a`, listen: `tcp/${base}`, to: server.at(443), sni: 'a.example.org' })
    expect(await shown(gateway.outside, base, 'a.example.org')).toBe('a.example.org')
    await drawbridge.closes(`${via}-b`)
    expect(await shown(gateway.outside, base, 'a.example.org')).toBe('a.example.org')
    await drawbridge.closes(`${via}-a`)
    await expect(lab.client.asks(gateway.outside, base)).rejects.toThrow(/refused/)
  })

  test('TLS ends here with a certificate that root alone may read, and the target gets what is inside', async () => {
    const { client, gateway, server } = lab
    const tls = await certificate('gate.example.org', `${via}-gate`)
    await opens({ name: `${via}-tls`, listen: `tcp/${base + 1}`, to: server.at(80), tls })
    expect(await shown(gateway.outside, base + 1, 'gate.example.org')).toBe('gate.example.org')
    const to = `${gateway.outside}:${base + 1}`
    const asked = client.spawn('openssl', ['s_client', '-quiet', '-connect', to])
    await asked.says(/^server 80 10\.0\.0\.1 \d+$/m)
    await asked.end()
    // Renewed in its files, it is served after the next change at the latest.
    await certificate('new.example.org', `${via}-gate`)
    await opens({ listen: `tcp/${base + 2}`, to: server.at(80) })
    expect(await shown(gateway.outside, base + 1, 'new.example.org')).toBe('new.example.org')
  })

  test('a certificate that cannot be used: status says why without a word of the file, and the last one is served on', async () => {
    const { gateway, server } = lab
    await writeFile(join(directory, `${via}-gate.key`), 'root:$6$secret:19000::\n')
    await opens({ listen: `tcp/${base + 3}`, to: server.at(80) })
    const { stdout } = await drawbridge.cli(['status'])
    expect(stdout).toContain(`${via}-gate.key is not in PEM`)
    expect(stdout).not.toContain('secret')
    expect(await shown(gateway.outside, base + 1, 'new.example.org')).toBe('new.example.org')
    await drawbridge.closes(`${via}-tls`)
    expect((await drawbridge.cli(['status'])).stdout).not.toContain('is not in PEM')
  })
})
