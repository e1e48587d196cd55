/** Faults of lists, limits and services of this machine. */
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import { again } from './faults-here.ts'
import { asks, begin, end, type Fault, type Opening, program, type Scene, sh } from './scene.ts'

const ownService = {
  prepare: (scene: Scene) => begin(scene, 'own', scene.lab.gateway.answers('tcp', 5432)),
  opens: (): Opening => ({ listen: 'tcp/5432', to: 'self', wishes: { name: 'web' } }),
  works: (scene: Scene) => asks(scene, {}, 5432),
  tidy: (scene: Scene) => end(scene, 'own'),
}

/** The service ends, and one like this begins in its place. */
const instead =
  (protocol: 'tcp' | 'udp', options: { readonly address?: string } = {}) =>
  async (scene: Scene) => {
    await end(scene, 'own')
    await begin(scene, 'own', scene.lab.gateway.answers(protocol, 5432, options))
  }

function withList({ drawbridge }: Scene, office: readonly string[]) {
  const forward = { name: 'web', listen: 'tcp/8080', to: '10.0.0.5:80', from: ['office'] }
  return drawbridge.api.apply({
    gateway: { version: 1, lists: { office: [...office] }, forwards: [forward] },
  })
}

const third = { from: '203.0.113.3', works: (scene: Scene) => asks(scene, { from: '203.0.113.3' }) }
const far = {
  from: '198.51.100.7',
  prepare: ({ lab }: Scene) => sh(lab.client, 'ip address replace 198.51.100.7/32 dev lo'),
  works: (scene: Scene) => asks(scene, { from: '198.51.100.7' }),
}

/** Listens, and then does nothing for ever. */
const stuck =
  "require('net').createServer().listen({ port: 5432, host: '0.0.0.0', backlog: 1 }, () => { require('fs').writeSync(1, 'ready'); Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0) })"

/** As many as the kernel tracks, of a network of benchmarks (RFC 2544), each answered, so that none gives way. */
function everyConnection(): string {
  const most = Number(readFileSync('/proc/sys/net/netfilter/nf_conntrack_max', 'utf8'))
  const line = (at: number) =>
    `-A -p udp -s 198.18.${(at >> 14) & 63}.${(at >> 8) & 63} -d 198.19.${(at >> 8) & 255}.${at & 255} --sport ${1024 + (at >> 10)} --dport ${1 + (at % 60_000)} -t 600 -u ASSURED,SEEN_REPLY`
  return `${Array.from({ length: most }, (_, at) => line(at)).join('\n')}\n`
}

/** It ends with the first entry for which there is no room. */
async function tracks({ lab }: Scene, entries: string): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'drawbridge-connections-'))
  lab.defer(() => rm(directory, { recursive: true, force: true }))
  const file = join(directory, 'entries')
  await writeFile(file, entries)
  await lab.gateway.tries('conntrack', ['-R', file])
}

export const moreHere: readonly Fault[] = [
  {
    name: 'its time is over',
    code: 'gone',
    inject: async ({ drawbridge }) => {
      const expires = new Date(Date.now() + 1500).toISOString()
      const forward = { name: 'web', listen: 'tcp/8080', to: '10.0.0.5:80', expires }
      await drawbridge.api.apply({ gateway: { version: 1, forwards: [forward] } })
      await sleep(2500)
    },
    mend: ({ drawbridge }) => again(drawbridge, {}),
  },
  {
    name: 'the list of its sources is empty',
    code: 'nobody-admitted',
    inject: (scene) => withList(scene, []),
    mend: (scene) => withList(scene, ['203.0.113.0/24']),
  },
  {
    name: 'the client is on no list any more',
    code: 'source-refused',
    from: '203.0.113.2',
    inject: (scene) => withList(scene, ['203.0.113.64/26']),
    mend: (scene) => withList(scene, ['203.0.113.0/24']),
  },
  {
    ...third,
    name: 'new connections beyond the limit',
    code: 'limited',
    inject: async (scene) => {
      await again(scene.drawbridge, { limits: { new_per_source: '1/m' } })
      for (let at = 0; at < 8; at += 1) await asks(scene, { from: '203.0.113.3', timeout: 150 })
    },
    mend: ({ drawbridge }) => again(drawbridge, { limits: { new_per_source: '100/s' } }),
  },
  {
    ...third,
    name: 'open connections at the limit',
    code: 'limited',
    inject: async (scene) => {
      await again(scene.drawbridge, { limits: { open_per_source: 1 } })
      const held = await scene.lab.client.holds(scene.lab.gateway.outside, 8080, { from: '203.0.113.3' })
      scene.ends.set('held', held.end)
    },
    mend: async (scene) => {
      await again(scene.drawbridge, { limits: { open_per_source: 100 } })
      await end(scene, 'held')
    },
  },
  {
    ...far,
    name: 'rp_filter is strict and the way back another',
    code: 'reverse-path',
    inject: async (scene) => {
      const { lab } = scene
      await sh(
        lab.gateway,
        'ip route replace 198.51.100.0/24 via 10.0.0.6; sysctl -qw net.ipv4.conf.out0.rp_filter=1',
      )
      const load = await lab.client.loads(lab.gateway.outside, 8080, { from: '198.51.100.7', timeout: 150 })
      scene.ends.set('load', load.end)
    },
    mend: ({ lab }) => sh(lab.gateway, 'ip route del 198.51.100.0/24'),
    tidy: async (scene) => {
      await end(scene, 'load')
      await sh(scene.lab.gateway, 'sysctl -qw net.ipv4.conf.out0.rp_filter=0')
    },
  },
  {
    ...ownService,
    name: 'a service of this machine has ended',
    code: 'own-not-listening',
    inject: (scene) => end(scene, 'own'),
    mend: (scene) => begin(scene, 'own', scene.lab.gateway.answers('tcp', 5432)),
  },
  {
    ...ownService,
    name: 'a service of this machine listens on loopback alone',
    code: 'own-loopback-only',
    inject: instead('tcp', { address: '127.0.0.1' }),
    mend: instead('tcp'),
  },
  {
    ...ownService,
    name: 'a service of this machine takes the other protocol',
    code: 'own-other-protocol',
    inject: instead('udp'),
    mend: instead('tcp'),
  },
  {
    ...ownService,
    name: 'a service of this machine listens on another address',
    code: 'own-other-address',
    opens: ({ lab }) => ({ listen: `tcp/5432@${lab.gateway.outside}`, to: 'self', wishes: { name: 'web' } }),
    inject: instead('tcp', { address: '10.0.0.1' }),
    mend: instead('tcp'),
  },
  {
    ...ownService,
    name: 'a rule made by hand drops what is for this machine',
    code: 'blocked',
    inject: ({ lab }) =>
      lab.gateway.nft(
        'table inet hand { chain i { type filter hook input priority 0; tcp dport 5432 drop\n}\n}',
      ),
    mend: 'command',
    tidy: async (scene) => {
      await scene.lab.gateway.nft('delete table inet hand')
      await end(scene, 'own')
    },
  },
  {
    ...ownService,
    name: 'a service of this machine takes no connection from its queue',
    code: 'listen-overflows',
    inject: async (scene) => {
      await end(scene, 'own')
      await program(scene, 'own', scene.lab.gateway, stuck)
      for (let at = 0; at < 4; at += 1) await asks(scene, { timeout: 150 }, 5432)
    },
    mend: instead('tcp'),
  },
  {
    name: 'the table of tracked connections is full',
    code: 'tracking-full',
    symptom: 'timed out',
    long: true,
    inject: (scene) => tracks(scene, everyConnection()),
    // The size of the table is the machine's: no lab may change it. Who makes so many is looked for, and ended.
    mend: ({ lab }) => sh(lab.gateway, 'conntrack -F 2>/dev/null'),
  },
  {
    name: 'another program keeps deleting our table',
    code: 'not-in-force',
    inject: async ({ lab, ends }) => {
      const running = lab.gateway.spawn('sh', [
        '-c',
        'while :; do nft delete table inet drawbridge 2>/dev/null; sleep 0.1; done',
      ])
      ends.set('deleting', () => running.end('SIGKILL'))
      await sleep(4000)
    },
    long: true,
    mend: async (scene) => {
      await end(scene, 'deleting')
      // Each repair waits while there is a fight, and a fight is over when nothing has happened for a while.
      const status = () => scene.drawbridge.api.status(0)
      await expect.poll(async () => (await status()).problem, { timeout: 90_000, interval: 500 }).toBeNull()
    },
    partial: true,
  },
]
