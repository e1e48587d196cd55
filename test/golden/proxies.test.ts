/** Forwards as the configurations they become: UPDATE_GOLDEN=1 writes the files anew, and each proxy must take its own. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseForward } from '../../src/model/forward.ts'
import { certificateFile } from '../compile/certificate.ts'
import { coursed } from '../compile/proxied.ts'
import { run } from '../kernel/network.ts'

const tls = { certificate: '/etc/ssl/app.pem', key: '/etc/ssl/private/app.key' }
const documents = [
  { name: 'least', listen: 'tcp/8080', to: ['10.0.0.5:80', '[fd00::5]:80'], balance: 'least-connections' },
  { name: 'range', listen: 'tcp/9000-9001@203.0.113.5', to: ['10.0.0.5:19000', '10.0.0.6:=80'] },
  { name: 'a', listen: 'tcp/8443', to: '10.0.0.5:443', sni: 'a.example.org', proxy_protocol: 'v1' },
  { name: 'b', listen: 'tcp/8443', to: '127.0.0.1:443', sni: 'b.example.org', balance: 'source' },
  {
    name: 'ended',
    listen: 'tcp/8444',
    to: [
      { host: '10.0.0.5', port: 80, weight: 3 },
      { host: '10.0.0.6', port: 80, drain: true },
    ],
    tls,
    retries: 0,
  },
] as const

const forwards = documents.map((document) => document as object)
const queued = {
  name: 'queued',
  listen: 'tcp/8445',
  to: '10.0.0.5:80',
  queue: { per_target: 10, wait: 5 },
  proxy_protocol: 'v2',
}

let directory: string
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'drawbridge-golden-'))
  writeFileSync(join(directory, 'app.pem'), certificateFile())
})
afterAll(() => rmSync(directory, { recursive: true }))

describe.each([
  ['haproxy', [...forwards, queued], (file: string) => ['haproxy', '-c', '-f', file]],
  ['nginx', forwards, (file: string) => ['nginx', '-t', '-e', 'stderr', '-p', '/tmp', '-c', file]],
] as const)('%s', (via, documents, check) => {
  const path = new URL(`./proxy/${via}.cfg`, import.meta.url)
  const text = () =>
    coursed(
      via,
      documents.map((one) => parseForward({ via, ...one })),
    ).text

  test('is configured as in its file', () => {
    if (process.env.UPDATE_GOLDEN) writeFileSync(path, text())
    expect(text()).toBe(readFileSync(path, 'utf8'))
  })

  test('takes it', () => {
    const file = join(directory, `${via}.cfg`)
    writeFileSync(file, text().replaceAll('/run/drawbridge/proxy', directory))
    const [program = '', ...args] = check(file)
    expect(run(program, ...args)).toMatch(/^(Configuration file is valid\n)?$/)
  })

  test('refuses it with a mistake in it', () => {
    const file = join(directory, `${via}.wrong`)
    writeFileSync(
      file,
      text().replaceAll('/run/drawbridge/proxy', directory).replace('10.0.0.5', '10.0.0.500'),
    )
    const [program = '', ...args] = check(file)
    expect(() => run(program, ...args)).toThrow(/10\.0\.0\.500/)
  })
})
