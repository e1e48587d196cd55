/** What Docker's socket may say, and what it may do to whoever listens; the real one answers in test/packets/docker*. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createNetServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Containing } from '../../src/agent/containing.ts'
import { findDaemon, listen } from '../../src/neighbours/containers/daemon.ts'
import { readContainers } from '../../src/neighbours/containers/reading.ts'

let directory: string
let socket: string
const running: { close(): unknown }[] = []
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'drawbridge-dockerd-'))
  socket = join(directory, 'docker.sock')
})
afterEach(() => {
  for (const one of running.splice(0)) one.close()
  rmSync(directory, { recursive: true, force: true })
})

const soon = { timeout: 20_000 }

async function serve(answer: RequestListener): Promise<Server> {
  const server = createServer(answer)
  await new Promise<void>((resolve) => server.listen(socket, resolve))
  running.push({ close: () => [server.closeAllConnections(), server.close()] })
  return server
}

/** One that answers both questions, and begins to tell of events. */
async function serves(containers: unknown, networks: unknown = bridges): Promise<void> {
  await serve(({ url = '' }, response) => {
    if (url.startsWith('/events')) return void response.flushHeaders()
    response.end(JSON.stringify(url.startsWith('/networks') ? networks : containers))
  })
}

const bridges = [
  { Id: 'b1', Driver: 'bridge', Internal: false },
  { Id: 'b2', Driver: 'bridge', Internal: true },
  { Id: 'o1', Driver: 'overlay', Internal: false },
]

const one = (name: string, networks: object, more: object = {}) => ({
  Id: `id-of-${name}`,
  Names: [`/${name}`],
  State: 'running',
  HostConfig: { NetworkMode: 'default' },
  NetworkSettings: { Networks: networks },
  Ports: [],
  ...more,
})
const at = (NetworkID: string, IPAddress: string, GlobalIPv6Address = '') => ({
  NetworkID,
  IPAddress,
  GlobalIPv6Address,
})
const addressesIn = async () =>
  Object.fromEntries(
    (await readContainers(socket)).map(({ name, addresses }) => [name, addresses.map(({ text }) => text)]),
  )

describe('a container has the address', () => {
  test('of its network, one of each family', async () => {
    await serves([one('web', { bridge: at('b1', '172.17.0.2', 'fd00:d::242:ac11:2') })])
    expect(await readContainers(socket)).toEqual([
      {
        name: 'web',
        running: true,
        onHost: false,
        addresses: [
          { family: 4, text: '172.17.0.2' },
          { family: 6, text: 'fd00:d::242:ac11:2' },
        ],
        everyAddress: [
          { family: 4, text: '172.17.0.2' },
          { family: 6, text: 'fd00:d::242:ac11:2' },
        ],
        exposed: [],
        published: [],
      },
    ])
  })

  test('of the first of several by name that has a way out and that this machine reaches', async () => {
    await serves([
      one('web', {
        swarm: at('o1', '10.0.1.2'),
        zeta: at('b1', '172.18.0.2'),
        alpha: at('b2', '172.19.0.2', 'fd00:a::2'),
        beta: at('b1', '172.20.0.2'),
      }),
      one('inner', { alpha: at('b2', '172.19.0.3'), swarm: at('o1', '10.0.1.3') }),
      one('far', { swarm: at('o1', '10.0.1.4') }),
    ])
    expect(await addressesIn()).toEqual({ far: [], inner: ['172.19.0.3'], web: ['172.20.0.2', 'fd00:a::2'] })
  })

  test('of the container in whose network it lives, while both run', async () => {
    const within = (name: string) => ({ HostConfig: { NetworkMode: `container:id-of-${name}` } })
    await serves([
      one('vpn', { bridge: at('b1', '172.17.0.2') }),
      one('web', {}, within('vpn')),
      one('gone', { bridge: at('b1', '') }, { State: 'exited' }),
      one('alone', {}, within('gone')),
      one('lost', {}, within('nobody')),
    ])
    expect(await addressesIn()).toEqual({
      alone: [],
      gone: [],
      lost: [],
      vpn: ['172.17.0.2'],
      web: ['172.17.0.2'],
    })
  })

  test('none while it is stopped, or in the network of the machine', async () => {
    await serves([
      one('stopped', { bridge: at('b1', '172.17.0.9') }, { State: 'exited' }),
      one('host', { host: at('h', '') }, { HostConfig: { NetworkMode: 'host' } }),
    ])
    const [host, stopped] = await readContainers(socket)
    expect(host).toMatchObject({ name: 'host', onHost: true, running: true, addresses: [] })
    expect(stopped).toMatchObject({ name: 'stopped', running: false, addresses: [] })
  })

  test('never one of this machine itself, nor what is none', async () => {
    const hostile = ['127.0.0.1', '0.0.0.0', '224.0.0.1', '169.254.169.254', '1.2.3.4; flush ruleset', '']
    await serves(hostile.map((text, index) => one(`web${index}`, { bridge: at('b1', text, '::1') })))
    expect(Object.values(await addressesIn())).toEqual(hostile.map(() => []))
  })

  test('under its own name: not that of an old link, nor one that Docker would not allow', async () => {
    const networks = { bridge: at('b1', '172.17.0.2') }
    await serves([
      one('db', networks, { Names: ['/web/database', '/db'] }),
      one('x', networks, { Names: ['/\u001b[31mred'] }),
      one('y', networks, { Names: null }),
    ])
    expect(await addressesIn()).toEqual({ db: ['172.17.0.2'] })
  })
})

test('ports: those it exposes in its own numbers, and those published in the numbers of the machine, at each address', async () => {
  const ports = [
    { IP: '0.0.0.0', PrivatePort: 80, PublicPort: 8080, Type: 'tcp' },
    { IP: '::', PrivatePort: 80, PublicPort: 8080, Type: 'tcp' },
    { PrivatePort: 53, Type: 'udp' },
    { PrivatePort: 99, PublicPort: 99, Type: 'sctp' },
  ]
  await serves([one('web', {}, { Ports: ports })])
  expect(await readContainers(socket)).toMatchObject([
    {
      exposed: [
        { protocol: 'tcp', port: 80 },
        { protocol: 'udp', port: 53 },
      ],
      published: [
        { protocol: 'tcp', port: 8080, address: '0.0.0.0' },
        { protocol: 'tcp', port: 8080, address: '::' },
      ],
    },
  ])
})

describe('a Docker that answers with', () => {
  test.for([
    ['nothing of the kind', { web: 1 }, /not understood/],
    ['a state that is no text', [one('web', {}, { State: 7 })], /not understood/],
    ['networks that are no list', [one('web', [])], /not understood/],
  ] as const)('%s is told as what it is', async ([, containers, why]) => {
    await serves(containers)
    await expect(readContainers(socket)).rejects.toThrow(why)
  })

  test('an error', async () => {
    await serve((_, response) => void response.writeHead(500).end('no'))
    await expect(readContainers(socket)).rejects.toThrow('it answers with status 500')
  })

  test('more than can be meant is not read to the end', soon, async () => {
    let sent = 0
    await serve((_, response) => {
      const more = () => {
        while (!response.destroyed && response.write(Buffer.alloc(65_536, 0x20))) sent += 65_536
      }
      response.on('drain', more)
      more()
    })
    await expect(readContainers(socket)).rejects.toThrow('its answer is too long')
    expect(sent).toBeLessThan(64 * 1024 * 1024)
  })

  test('nothing at all is waited for five seconds', soon, async () => {
    await serve(() => {})
    await expect(readContainers(socket)).rejects.toThrow('it has not answered in 5 s')
    await expect(listen(socket, '/events', () => {})).rejects.toThrow('it has not answered in 5 s')
  })

  test('a byte now and then, the same', soon, async () => {
    await serve((_, response) => {
      const timer = setInterval(() => response.write(' '), 200)
      response.on('close', () => clearInterval(timer))
    })
    await expect(readContainers(socket)).rejects.toThrow(/abort/)
  })

  test('what is no HTTP', async () => {
    const server = createNetServer((connection: Socket) => void connection.end('SSH-2.0-OpenSSH_9.2\r\n'))
    await new Promise<void>((resolve) => server.listen(socket, resolve))
    running.push(server)
    await expect(readContainers(socket)).rejects.toThrow(/Parse Error/)
  })
})

test('whoever tells something without end is heard twenty times a second', soon, async () => {
  const server = await serve((_, response) => {
    const more = () => {
      while (!response.destroyed && response.write('{"Type":"container"}\n'.repeat(1000)));
    }
    response.on('drain', more)
    more()
  })
  let heard = 0
  const ended = listen(socket, '/events', () => {
    heard += 1
  })
  await new Promise((resolve) => setTimeout(resolve, 1000))
  server.closeAllConnections()
  await ended
  expect(heard).toBeGreaterThan(1)
  expect(heard).toBeLessThan(40)
})

describe('following', () => {
  test(
    'a Docker that comes, stops answering and comes back: what was known holds meanwhile',
    soon,
    async () => {
      const containing = new Containing(() => findDaemon(`unix://${socket}`))
      containing.watch(
        (work) => work(),
        async () => {},
      )
      await containing.settle()
      expect(containing.seen).toMatchObject({ docker: 'none', containers: [] })
      await serves([one('web', { bridge: at('b1', '172.17.0.2') })])
      const web = [{ name: 'web', addresses: [{ text: '172.17.0.2' }] }]
      await vi.waitFor(
        () => expect(containing.seen).toMatchObject({ docker: 'followed', containers: web }),
        soon,
      )
      for (const server of running.splice(0)) server.close()
      rmSync(socket, { force: true })
      await vi.waitFor(
        () =>
          expect(containing.seen).toMatchObject({
            docker: 'silent',
            trouble: 'it does not run',
            containers: web,
          }),
        soon,
      )
      await serves([one('web', { bridge: at('b1', '172.17.0.3') })])
      await vi.waitFor(
        () => expect(containing.seen.containers).toMatchObject([{ addresses: [{ text: '172.17.0.3' }] }]),
        soon,
      )
    },
  )

  test('one that hangs is waited for a second, and no more once that is known', soon, async () => {
    await serve(() => {})
    const containing = new Containing(() => socket)
    const waits = async (work: () => Promise<unknown>) => {
      const began = performance.now()
      await work()
      return performance.now() - began
    }
    // Reading itself would take five seconds.
    expect(await waits(() => containing.settle())).toBeLessThan(4000)
    containing.watch(
      (work) => work(),
      async () => {},
    )
    await vi.waitFor(() => expect(containing.seen.docker).toBe('silent'), soon)
    expect(await waits(() => containing.fresh())).toBeLessThan(900)
  })
})

test('a socket is not proof that Docker runs: without its process none is tried, unless it was named', () => {
  expect(findDaemon('')).toBe(undefined)
  expect(findDaemon('tcp://127.0.0.1:2375')).toBe(undefined)
  expect(findDaemon(`unix://${socket}`)).toBe(undefined)
  writeFileSync(socket, '')
  expect(findDaemon(`unix://${socket}`)).toBe(socket)
})
