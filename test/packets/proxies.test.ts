/** Forwards through a proxy of our own, HAProxy and nginx alike: what translation in the kernel cannot do. */
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { ForwardDocument } from '../../src/model/document.ts'
import { type Drawbridge, startDrawbridge } from '../lab/drawbridge.ts'
import { type Lab, startLab } from '../lab/lab.ts'

let lab: Lab
let drawbridge: Drawbridge

const patient = { timeout: 20_000, interval: 100 }

beforeAll(async () => {
  lab = await startLab()
  drawbridge = await startDrawbridge(lab)
  await lab.server.answers('tcp', 80)
  await lab.other.answers('tcp', 80)
  await lab.server.answers('tcp', '9100-9102')
  await lab.gateway.answers('tcp', 5432, { address: '127.0.0.1' })
  // An echo shows what the proxy says before the client's own words.
  const echo = ['TCP6-LISTEN:7,ipv6only=0,fork,reuseaddr', 'EXEC:cat']
  lab.server.spawn('socat', echo)
})
afterAll(() => lab?.close())

const pidIn = (name: string) => Number(readFileSync(`${drawbridge.state}/run/proxy/${name}`, 'utf8'))
const status = async () => (await drawbridge.cli(['status'])).stdout

describe.each([
  ['haproxy', 8000],
  ['nginx', 8500],
] as const)('through %s', (via, base) => {
  const opens = (forward: ForwardDocument) => drawbridge.api.open({ forward: { via, ...forward } })
  const port = (index: number) => base + index

  test('clients of both families reach a target of either, and the gateway itself does too', async () => {
    const { client, gateway, server } = lab
    await opens({ listen: `tcp/${port(0)}`, to: server.at(80) })
    for (const asker of [client, gateway])
      for (const address of [gateway.outside, gateway.outside6])
        expect(await asker.asks(address, port(0))).toMatchObject({ identity: 'server', port: 80 })
    await opens({ listen: `tcp/${port(1)}`, to: server.at6(80) })
    // The proxy connects by itself, from the gateway's own address.
    expect(await client.asks(gateway.outside, port(1))).toMatchObject({ peer: gateway.inside6 })
  })

  test('a port of the proxy itself is shut to everybody, and the way to it by the forward is open', async () => {
    const { client, gateway, server } = lab
    await opens({ listen: `tcp/${port(2)}`, to: server.at(80) })
    const [local = 0] = await ownPorts()
    const watching = await gateway.watches(`tcp dport ${local}`)
    for (const address of [gateway.outside, gateway.outside6])
      await expect(client.asks(address, local, { timeout: 300 })).rejects.toThrow(/timeout/)
    for (const address of [gateway.outside, '127.0.0.1', '::1'])
      await expect(gateway.asks(address, local, { timeout: 300 })).rejects.toThrow(/timeout/)
    expect(await watching.count()).toBeGreaterThanOrEqual(2)
    await watching.stop()
    expect((await client.asks(gateway.outside, port(2))).identity).toBe('server')
  })

  async function ownPorts(): Promise<number[]> {
    const sockets = await lab.gateway.run('ss', ['-Hltnp'])
    const own = sockets.split('\n').filter((line) => line.includes(`"${via}"`))
    return own.flatMap((line) => [...line.matchAll(/0\.0\.0\.0:(6\d{4})/g)].map(([, local]) => Number(local)))
  }

  test('a target on a loopback address of the gateway, which translation cannot reach', async () => {
    const { client, gateway } = lab
    await opens({ listen: `tcp/${port(3)}`, to: '127.0.0.1:5432' })
    await expect(client.asks(gateway.outside, 5432)).rejects.toThrow(/refused/)
    const answer = await client.asks(gateway.outside6, port(3))
    expect(answer).toMatchObject({ identity: 'gateway', peer: '127.0.0.1' })
  })

  test('ports of a range follow it, in both families', async () => {
    const { client, gateway, server } = lab
    await opens({ listen: `tcp/${port(10)}-${port(12)}`, to: server.at('9100-9102') })
    for (const address of [gateway.outside, gateway.outside6])
      for (const at of [0, 1, 2])
        expect(await client.asks(address, port(10 + at))).toMatchObject({ port: 9100 + at })
  })

  test('least connections: whoever has none of those that are held gets the next', async () => {
    const { client, gateway, server, other } = lab
    const to = [server.at(80), other.at(80)]
    await opens({ listen: `tcp/${port(4)}`, to, balance: 'least-connections' })
    // Each worker of nginx counts its own, unless the group is in memory that they share.
    const held: Awaited<ReturnType<typeof client.holds>>[] = []
    for (let count = 0; count < 6; count += 1)
      held.push(await client.holds(count % 2 ? gateway.outside : gateway.outside6, port(4)))
    const of = (name: string) => held.filter(({ answer }) => answer.identity === name).length
    expect([of('server'), of('other')]).toEqual([3, 3])
    // Those of one end; all that come then go where none is.
    for (const one of held.filter(({ answer }) => answer.identity === 'other')) await one.end()
    await vi.waitFor(async () => {
      expect((await client.asks(gateway.outside, port(4))).identity).toBe('other')
    }, patient)
    for (const one of held) await one.end()
  })

  test('the doctor asks for no more than a proxy needs, and finds a target where nothing listens', async () => {
    const { server } = lab
    await opens({ name: `well-${via}`, listen: `tcp/${port(14)}`, to: server.at6(80) })
    await opens({ name: `ill-${via}`, listen: `tcp/${port(15)}@203.0.113.1`, to: server.at6(81) })
    const says = async (name: string) => (await drawbridge.cli(['doctor', `${name}-${via}`])).stdout
    expect(await says('well')).not.toMatch(/forward packets|cannot|refuses|way back/)
    expect(await says('ill')).toMatch(/nothing listens at the target\n *\[fd00::5\]:81 refuses/)
  })

  test('one that cannot be reached is passed over before the client notices', async () => {
    const { client, gateway, other } = lab
    await opens({ listen: `tcp/${port(5)}`, to: ['10.0.0.5:81', other.at(80)], balance: 'round-robin' })
    for (let count = 0; count < 6; count += 1)
      expect((await client.asks(gateway.outside, port(5))).identity).toBe('other')
  })

  test('the target is told the address of the client by the PROXY protocol', async () => {
    const { client, gateway, server } = lab
    await opens({ listen: `tcp/${port(6)}`, to: server.at(7), proxy_protocol: 'v1' })
    const says = (address: string) =>
      client.exchanges(address, port(6), 'hello', { halfClose: true, fromPort: 20_000 + port(6) })
    expect(await says(gateway.outside)).toMatch(
      new RegExp(`^PROXY TCP4 203\\.0\\.113\\.2 203\\.0\\.113\\.1 ${20_000 + port(6)} \\d+\r\nhello$`),
    )
    expect(await says(gateway.outside6)).toMatch(/^PROXY TCP6 2001:db8:1::2 2001:db8:1::1 \d+ \d+\r\nhello$/)
  })

  test('what goes through it is counted, and shown of each target that HAProxy knows of', async () => {
    const { client, gateway, server, other } = lab
    const to = [server.at(80), other.at(80)]
    await opens({ name: `counted-${via}`, listen: `tcp/${port(13)}`, to, balance: 'round-robin' })
    // Opening it has sent a probe.
    const before = await drawbridge.api.forward(`counted-${via}`)
    const held = [
      await client.holds(gateway.outside, port(13)),
      await client.holds(gateway.outside, port(13)),
    ]
    await client.asks(gateway.outside6, port(13))
    const after = await drawbridge.api.forward(`counted-${via}`)
    expect(after.connections - before.connections).toBe(3)
    const counts = (after.endpoints ?? []).map(
      ({ connections }, index) => connections - (before.endpoints?.[index]?.connections ?? 0),
    )
    expect(counts.sort()).toEqual(via === 'haproxy' ? [1, 2] : [0, 0])
    for (const one of held) await one.end()
  })

  test('it is exposed as a forward, and what the proxy listens on is not', async () => {
    await vi.waitFor(async () => {
      const { exposures } = await drawbridge.api.exposure()
      const ours = exposures.find(({ name }) => name === `counted-${via}`)
      expect(ours).toMatchObject({ state: 'open', anywhere: true })
      // Ports that were given up are listened on for a moment more.
      expect(exposures.filter(({ ports }) => /6[1-4]\d{3}/.test(ports))).toEqual([])
    }, patient)
  })

  test.each(['close', 'disable', 'lockdown'])(
    'after a %s nobody gets to the port of the proxy while it still listens there, nor when it is over',
    async (how) => {
      const { client, gateway, server } = lab
      const name = `left-${how}`
      const stranger = { from: '203.0.113.3', timeout: 300 }
      await opens({ name, listen: `tcp/${port(30)}`, to: server.at(80), from: ['203.0.113.2'] })
      expect((await client.asks(gateway.outside, port(30), { from: '203.0.113.2' })).identity).toBe('server')
      const locals = await ownPorts()
      await drawbridge.cli(how === 'lockdown' ? [how, '--confirm', '0'] : [how, name])
      const reached: number[] = []
      const all = () =>
        Promise.all(
          locals.map((local) =>
            client.asks(gateway.outside, local, stranger).then(
              () => reached.push(local),
              () => {},
            ),
          ),
        )
      const isServed = async () => {
        await all()
        const now = await ownPorts()
        return locals.every((local) => now.includes(local))
      }
      expect(await isServed()).toBe(true)
      if (how === 'lockdown') await drawbridge.cli([how, '--lift'])
      else await expect.poll(isServed, patient).toBe(false)
      expect(reached).toEqual([])
      if (how !== 'close') await drawbridge.closes(name)
    },
    60_000,
  )

  test('a lockdown ends what goes through it, and lets nobody in until it is lifted', async () => {
    const { client, gateway } = lab
    const held = await client.holds(gateway.outside, port(13))
    await drawbridge.cli(['lockdown', '--confirm', '0'])
    await expect(client.asks(gateway.outside, port(13))).rejects.toThrow(/refused/)
    await vi.waitFor(async () => expect((await held.look()).end).not.toBe('held'), patient)
    await drawbridge.cli(['lockdown', '--lift'])
    expect((await client.asks(gateway.outside, port(13))).port).toBe(80)
    await held.end()
  })

  test('a forward goes from the kernel to the proxy and back while clients come, and nobody is refused', async () => {
    const { client, gateway, server } = lab
    const forward = { name: `switched-${via}`, listen: `tcp/${port(7)}`, to: server.at(80) }
    const put = (more: Partial<ForwardDocument>) =>
      drawbridge.api.apply({ gateway: { version: 1, forwards: [{ ...forward, ...more }] } })
    await put({})
    const held = await client.holds(gateway.outside, port(7))
    const load = await client.loads(gateway.outside, port(7))
    const through = []
    for (let round = 0; round < 3; round += 1) {
      await put({ via })
      through.push(await client.holds(gateway.outside, port(7)))
      await put({})
    }
    // Ports that are not used any more are given up after a moment.
    await vi.waitFor(async () => expect((await load.look()).asked).toBeGreaterThan(300), patient)
    const tally = await load.end()
    expect(tally.failures).toEqual([])
    for (const one of [held, ...through]) expect((await one.end()).end).toBe('held')
  })

  test('killed, it is started again, and status says why', async () => {
    const { client, gateway } = lab
    const before = pidIn(`${via}.pid`)
    process.kill(before, 'SIGKILL')
    await vi.waitFor(async () => {
      expect(pidIn(`${via}.pid`)).not.toBe(before)
      expect((await client.asks(gateway.outside, port(0))).identity).toBe('server')
    }, patient)
    const told = new RegExp(`${via} ended by itself at \\S+ \\(killed by SIGKILL\\) and was started again`)
    await vi.waitFor(async () => expect(await status()).toMatch(told), patient)
  })

  test('what it refuses leaves it as it was, and status says why; it is tried again', async () => {
    const { client, gateway, server } = lab
    // Somebody else has the ports that the next forwards would get.
    const listening = await gateway.run('ss', ['-Hltn'])
    const taken = new Set([...listening.matchAll(/:(6\d{4}) /g)].map(([, local]) => Number(local)))
    const blockers: { stop(): Promise<void> }[] = []
    for (let local = 61_000; local < 61_100; local += 1)
      if (!taken.has(local)) blockers.push(await gateway.answers('tcp', local))
    await opens({ name: `late-${via}`, listen: `tcp/${port(8)}`, to: server.at(80) })
    await vi.waitFor(
      async () =>
        expect(await status()).toMatch(
          new RegExp(`${via} does not serve its forwards.*(in use|cannot bind)`, 'i'),
        ),
      patient,
    )
    expect((await client.asks(gateway.outside, port(0))).identity).toBe('server')
    for (const one of blockers) await one.stop()
    await opens({ listen: `tcp/${port(9)}`, to: server.at(80) })
    expect((await client.asks(gateway.outside, port(8))).identity).toBe('server')
    await vi.waitFor(async () => expect(await status()).not.toContain('does not serve its forwards'), patient)
  })
})

test('HAProxy tells it in the binary version 2 as well', async () => {
  const { client, gateway, server } = lab
  const listen = 'tcp/8460'
  await drawbridge.api.open({ forward: { via: 'haproxy', listen, to: server.at(7), proxy_protocol: 'v2' } })
  const options = { halfClose: true, fromPort: 28_460 } as const
  const said = Buffer.from(await client.exchanges(gateway.outside, 8460, 'hello', options), 'latin1')
  // The header of proxy-protocol.txt, section 2.2: signature, version 2 and PROXY, TCP over IPv4, length, addresses, ports.
  expect(said.subarray(0, 12).toString('latin1')).toBe('\r\n\r\n\0\r\nQUIT\n')
  expect([...said.subarray(12, 14)]).toEqual([0x21, 0x11])
  const end = 16 + said.readUInt16BE(14)
  expect([...said.subarray(16, 24)]).toEqual([203, 0, 113, 2, 203, 0, 113, 1])
  expect(said.readUInt16BE(24)).toBe(28_460)
  expect(said.subarray(end).toString()).toBe('hello')
})
