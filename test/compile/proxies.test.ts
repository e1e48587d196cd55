/** Arbitrary forwards as configurations: HAProxy itself tells what it has read, and hostile text is in none of them. */

import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Slots, slotsAfter } from '../../src/compile/proxy/slots.ts'
import { type Course, disagreement } from '../../src/compile/proxy/turning.ts'
import type { ForwardDocument } from '../../src/model/document.ts'
import { type Forward, parseForward } from '../../src/model/forward.ts'
import { Problem } from '../../src/model/problem.ts'
import { enterNewNetwork, run } from '../kernel/network.ts'
import { address4, address6, holds, runsOf, texts } from '../model/arbitrary.ts'
import { coursed, turned } from './proxied.ts'

beforeAll(enterNewNetwork)

const target = fc.record(
  {
    host: fc.oneof(address4, address6, fc.constantFrom('127.0.0.1', '::1')),
    port: fc.integer({ min: 1, max: 65535 }),
    weight: fc.integer({ min: 1, max: 256 }),
    drain: fc.boolean(),
  },
  { requiredKeys: ['host', 'port'] },
)
const targets = fc.uniqueArray(target, {
  minLength: 1,
  maxLength: 12,
  selector: ({ host, port }) => `${host} ${port}`,
})
const shapes = fc.record({
  balance: fc.constantFrom('least-connections', 'round-robin', 'random', 'source'),
  proxy_protocol: fc.constantFrom('v1', 'v2', undefined),
  queue: fc.constantFrom({ per_target: 7, wait: 3 }, undefined),
  retries: fc.integer({ min: 0, max: 20 }),
})

/** The same forwards with other targets. */
const gateways = fc.array(fc.tuple(shapes, targets, targets), { minLength: 1, maxLength: 5 }).map((all) => ({
  before: all.map(([shape, to], index) => forwardOf(index, shape, to)),
  after: all.map(([shape, , to], index) => forwardOf(index, shape, to)),
}))

function forwardOf(index: number, shape: object, to: readonly object[]): Forward {
  return parseForward({ name: `f${index}`, listen: `tcp/${8000 + index}`, via: 'haproxy', ...shape, to })
}

describe('HAProxy', () => {
  let directory: string
  let child: ChildProcess | undefined
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'drawbridge-haproxy-'))
  })
  afterEach(() => {
    child?.kill('SIGKILL')
    rmSync(directory, { recursive: true, force: true })
  })

  const asks = (line: string) =>
    new Promise<string>((resolve, reject) => {
      let said = ''
      const socket = connect(join(directory, 'haproxy.sock'))
      socket.on('data', (piece) => {
        said += piece
      })
      socket.on('error', reject)
      socket.on('close', () => resolve(said))
      socket.write(`${line}\n`)
    })

  async function starts({ text }: Course): Promise<void> {
    const file = join(directory, 'cfg')
    writeFileSync(file, text.replaceAll('/run/drawbridge/proxy', directory))
    child = spawn('haproxy', ['-db', '-f', file], { stdio: 'ignore' })
    for (let waited = 0; waited < 10_000; waited += 20) {
      if ((await asks('show info').catch(() => '')).includes('drawbridge-')) return
      await sleep(20)
    }
    throw new Error('haproxy does not start')
  }

  async function ends(): Promise<void> {
    const ended = new Promise((resolve) => child?.once('exit', resolve))
    child?.kill('SIGKILL')
    await ended
  }

  test('reads back what the model says, and after commands of its runtime API too', {
    timeout: 120_000,
  }, async () => {
    let commanded = 0
    const law = async ({ before, after }: { before: readonly Forward[]; after: readonly Forward[] }) => {
      const { course } = turned('haproxy', before)
      await starts(course)
      expect(disagreement(course.passages, await asks('show servers state'))).toBe('')
      const turn = turned('haproxy', after, course)
      if (turn.kind === 'commands') {
        for (const command of turn.commands) await asks(command)
        expect(disagreement(turn.course.passages, await asks('show servers state'))).toBe('')
        // What it read at its start is not what it is now.
        if (turn.commands.length > 0) {
          expect(disagreement(course.passages, await asks('show servers state'))).not.toBe('')
          commanded += 1
        }
      }
      await ends()
    }
    await fc.assert(fc.asyncProperty(gateways, law), runsOf(15))
    expect(commanded).toBeGreaterThan(5)
  })
})

describe('names of servers', () => {
  const servers = fc.uniqueArray(fc.integer({ min: 1, max: 40 }), { maxLength: 20 }).map((keys) =>
    keys.map((key) => ({
      key: `10.0.0.${key}:80`,
      address: `10.0.0.${key}`,
      port: { kind: 'fixed', value: 80 } as const,
      weight: 1,
      dead: false,
    })),
  )

  test('stay with the endpoints that stay, whatever comes and goes', () => {
    holds(fc.array(servers, { minLength: 1, maxLength: 6 }), (rounds) => {
      let slots: Slots = []
      for (const wanted of rounds) {
        const after = slotsAfter(slots, wanted)
        expect(
          after
            .filter((slot) => slot !== null)
            .map(({ key }) => key)
            .sort(),
        ).toEqual(wanted.map(({ key }) => key).sort())
        for (const [index, slot] of slots.entries())
          if (slot && wanted.some(({ key }) => key === slot.key)) expect(after[index]?.key).toBe(slot.key)
        slots = after
      }
    })
  })
})

/** Everything that a line of ours may be, without one character more. */
const word = '[a-z0-9.-]+'
const place = String.raw`(\d+\.\d+\.\d+\.\d+|\[[0-9a-f:]+\]):`
const grammar = {
  haproxy: [
    /^# Made by Drawbridge; what is written here by hand is lost\.$/,
    /^(global|defaults)$|^frontend in_\d+$|^backend forward_\d+$/,
    /^ {2}(description drawbridge-0{16}|mode tcp|timeout (connect|client|server|queue) \d+s|option (clitcpka|srvtcpka|redispatch 1))$/,
    /^ {2}(stats socket \/run\/drawbridge\/proxy\/haproxy\.sock mode 600 level admin expose-fd listeners|ssl-default-bind-options ssl-min-ver TLSv1\.2)$/,
    /^ {2}bind (0\.0\.0\.0:\d+|\[::\]:\d+ v6only)( ssl crt \/run\/drawbridge\/proxy\/app\.pem)?$/,
    /^ {2}(tcp-request connection set-dst-port int\(\d+\)|default_backend forward_\d+|retries \d+|hash-type consistent)$/,
    /^ {2}tcp-request (inspect-delay 5s|content accept if \{ req\.ssl_hello_type 1 \}|content reject if WAIT_END)$/,
    new RegExp(`^ {2}use_backend forward_\\d+ if \\{ req\\.ssl_sni -i ${word} \\}$`),
    /^ {2}balance (leastconn|roundrobin|random\(1\)|source)$/,
    new RegExp(`^ {2}server s\\d+ ${place}\\+?-?\\d+ weight \\d+( maxconn \\d+)?( send-proxy(-v2)?)?$`),
  ],
  nginx: [
    /^# Made by Drawbridge; what is written here by hand is lost\.$/,
    /^(load_module \/usr\/lib\/nginx\/modules\/ngx_stream_module\.so|daemon off|worker_processes auto|error_log stderr error|pid \/run\/drawbridge\/proxy\/nginx\.master);$/,
    /^(events|stream| {2}server| {2}upstream forward_\d+_\d+) \{$|^( {2})?\}$/,
    /^ {2}(worker_connections 65536|access_log off|proxy_connect_timeout 3s|proxy_timeout 432000s|proxy_socket_keepalive on|proxy_half_close on|tcp_nodelay on|map_hash_bucket_size 512);$/,
    /^ {4}(listen unix:\/run\/drawbridge\/proxy\/nginx\.sock|return "drawbridge-0{16}\\n"|zone forward_\d+_\d+ \d+k|least_conn|random|hash \$remote_addr consistent);$/,
    new RegExp(`^ {4}server ${place}\\d+( down| weight=\\d+ max_fails=0);$`),
    /^ {4}listen (0\.0\.0\.0:\d+|\[::\]:\d+ ipv6only=on)( ssl)?;$/,
    /^ {4}(proxy_next_upstream (on|off)|proxy_next_upstream_tries \d+|proxy_pass (forward_\d+_\d+|\$name_\d+)|ssl_preread on|proxy_protocol on);$/,
    /^ {4}(ssl_certificate(_key)? \/run\/drawbridge\/proxy\/app\.pem|ssl_protocols TLSv1\.2 TLSv1\.3);$/,
    /^ {2}map \$ssl_preread_server_name \$name_\d+ \{$/,
    new RegExp(`^ {4}"${word}" forward_\\d+_\\d+;$`),
  ],
} as const

const strangers = (via: 'haproxy' | 'nginx', text: string) =>
  text.split('\n').filter((line) => line !== '' && !grammar[via].some((pattern) => pattern.test(line)))

describe.each(['haproxy', 'nginx'] as const)('in a configuration of %s', (via) => {
  const grown = (text: string) => texts.map((more) => `${text}${more}`)
  const hostile: fc.Arbitrary<Partial<ForwardDocument>> = fc.oneof(
    fc.record({ name: fc.oneof(texts, grown('web')) }),
    fc.record({ note: texts }),
    fc.record({ sni: fc.oneof(texts, grown('a.example.org')) }),
    fc.record({ to: fc.oneof(texts, grown('10.0.0.5'), grown('app.example.org')) }),
    fc.record({ tls: fc.record({ certificate: grown('/etc/ssl/'), key: grown('/etc/ssl/key') }) }),
  )

  test('text that is not meant to be there is not there, whatever is written', () => {
    let taken = 0
    holds(
      hostile,
      (more) => {
        const forward = readOrRefused({ listen: 'tcp/8443', to: '10.0.0.5:443', via, ...more })
        if (!forward) return
        taken += 1
        expect(strangers(via, coursed(via, [forward]).text)).toEqual([])
      },
      2000,
    )
    expect(taken).toBeGreaterThan(50)
  })

  test('the grammar finds a line that is none of ours', () => {
    const { text } = coursed(via, [
      parseForward({ listen: 'tcp/8443', to: '10.0.0.5:443', via, sni: 'a.example.org' }),
    ])
    expect(strangers(via, text)).toEqual([])
    expect(strangers(via, text.replace('a.example.org', 'a.example.org }\n  use_backend x'))).not.toEqual([])
  })
})

function readOrRefused(document: ForwardDocument): Forward | undefined {
  try {
    return parseForward(document)
  } catch (error) {
    if (error instanceof Problem) return undefined
    throw error
  }
}

test('every configuration of nginx is one that nginx takes', () => {
  const directory = mkdtempSync(join(tmpdir(), 'drawbridge-nginx-'))
  try {
    holds(
      gateways,
      ({ before }) => {
        const forwards = before.map((forward) => ({
          ...forward,
          via: forward.via && { ...forward.via, proxy: 'nginx' as const },
        }))
        const file = join(directory, 'cfg')
        writeFileSync(file, coursed('nginx', forwards).text.replaceAll('/run/drawbridge/proxy', directory))
        run('nginx', '-t', '-q', '-e', 'stderr', '-p', directory, '-c', file)
      },
      20,
    )
  } finally {
    rmSync(directory, { recursive: true })
  }
})
