/** The machine changes under its forwards: addresses, interfaces and default routes come, go, move and get other names. */
import { readdirSync, readFileSync } from 'node:fs'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type Drawbridge, startDrawbridge } from '../lab/drawbridge.ts'
import { type Lab, startLab } from '../lab/lab.ts'

let lab: Lab
let drawbridge: Drawbridge

beforeAll(async () => {
  lab = await startLab()
  drawbridge = await startDrawbridge(lab)
  for (const port of [80, 81]) await lab.server.answers('tcp', port)
  await drawbridge.opens('tcp/8000', lab.server.at(80))
})
afterAll(() => lab?.close())

const gatewayIp = (command: string) => lab.gateway.run('ip', command.split(' '))
const clientIp = (command: string) => lab.client.run('ip', command.split(' '))

const reaches = (address: string, port: number) =>
  lab.client.asks(address, port, { timeout: 400 }).then(
    ({ identity }) => identity,
    (error: Error) => /(refused|timeout|unreachable)/.exec(error.message)?.[0] ?? error.message,
  )
const soon = (address: string, port: number) =>
  expect.poll(() => reaches(address, port), { timeout: 8000, interval: 50 })

/** A second cable between client and gateway, 198.51.100.2 to .1, with this name at the gateway. */
async function addUplink(name: string): Promise<void> {
  await gatewayIp(`link add ${name} type veth peer name eth9 netns ${lab.client.namespace}`)
  await gatewayIp(`address add 198.51.100.1/24 dev ${name}`)
  await gatewayIp(`link set ${name} up`)
  await clientIp('address add 198.51.100.2/24 dev eth9')
  await clientIp('link set eth9 up')
}

beforeEach(async () => {
  expect(await reaches(lab.gateway.outside, 8000)).toBe('server')
})

test('a listen address that goes, comes back, and moves to another interface', async () => {
  const { gateway, server } = lab
  await drawbridge.opens(`tcp/8001@${gateway.second}`, server.at(80), { name: 'second' })
  expect(await reaches(gateway.second, 8001)).toBe('server')
  await gatewayIp(`address del ${gateway.second}/24 dev out0`)
  expect(await reaches(gateway.second, 8001)).not.toBe('server')
  await gatewayIp(`address add ${gateway.second}/24 dev out0`)
  await soon(gateway.second, 8001).toBe('server')
  await gatewayIp(`address del ${gateway.second}/24 dev out0`)
  await gatewayIp(`address add ${gateway.second}/32 dev in0`)
  await soon(gateway.second, 8001).toBe('server')
  expect(await reaches(gateway.outside, 8001)).toBe('refused')
  await gatewayIp(`address del ${gateway.second}/32 dev in0`)
  await gatewayIp(`address add ${gateway.second}/24 dev out0`)
  await drawbridge.closes('second')
})

test('an address from DHCP that is another one tomorrow: a forward on any address follows', async () => {
  await gatewayIp('address add 203.0.113.77/24 dev out0')
  await soon('203.0.113.77', 8000).toBe('server')
  await gatewayIp('address del 203.0.113.77/24 dev out0')
  await gatewayIp('address add 203.0.113.78/24 dev out0')
  await soon('203.0.113.78', 8000).toBe('server')
  expect(await reaches('203.0.113.77', 8000)).not.toBe('server')
  await gatewayIp('address del 203.0.113.78/24 dev out0')
})

test('an interface that flaps: streams go on, new connections come through', async () => {
  const { client, gateway } = lab
  const held = await client.holds(gateway.outside, 8000)
  await gatewayIp('link set out0 down')
  expect(await reaches(gateway.outside, 8000)).not.toBe('server')
  await gatewayIp('link set out0 up')
  // What the kernel forgets when an interface goes down, as whoever configures the network puts it back.
  await gatewayIp(`route replace default via ${client.ip}`)
  await gatewayIp(`address replace ${gateway.outside6}/64 dev out0 nodad`)
  await gatewayIp(`-6 route replace default via ${client.ip6} dev out0`)
  await soon(gateway.outside, 8000).toBe('server')
  const report = await held.look()
  await expect
    .poll(async () => (await held.look()).received, { timeout: 5000 })
    .toBeGreaterThan(report.received)
  expect(await held.end()).toMatchObject({ end: 'held', inOrder: true })
})

test('a listen interface that appears after the forward, is renamed, and goes', async () => {
  const { gateway, server } = lab
  await drawbridge.opens('tcp/8002%wan9', server.at(80), { name: 'uplink' })
  expect(await reaches(gateway.outside, 8002)).toBe('refused')
  await addUplink('wan9')
  await soon('198.51.100.1', 8002).toBe('server')
  expect(await reaches(gateway.outside, 8002)).toBe('refused')
  await gatewayIp('link set wan9 down')
  await gatewayIp('link set wan9 name wan8')
  await gatewayIp('link set wan8 up')
  await soon('198.51.100.1', 8002).toBe('refused')
  await gatewayIp('link set wan8 down')
  await gatewayIp('link set wan8 name wan9')
  await gatewayIp('link set wan9 up')
  await soon('198.51.100.1', 8002).toBe('server')
  await gatewayIp('link del wan9')
  await addUplink('wan9')
  await soon('198.51.100.1', 8002).toBe('server')
  await gatewayIp('link del wan9')
  await drawbridge.closes('uplink')
})

test('a new uplink is outside as soon as it has a default route, under whatever name, and as long as it has it', async () => {
  const { client, gateway, server } = lab
  await addUplink('wan9')
  await clientIp('route add 10.0.0.0/24 via 198.51.100.1')
  // By an interface that is not outside, what is behind the gateway can be reached.
  await soon(server.ip, 81).toBe('server')
  await gatewayIp('route add default via 198.51.100.2 dev wan9 metric 50')
  await soon(server.ip, 81).toBe('timeout')
  expect(await reaches('198.51.100.1', 8000)).toBe('server')
  expect(await reaches(gateway.outside, 8000)).toBe('server')

  await gatewayIp('link set wan9 down')
  await gatewayIp('link set wan9 name wan8')
  await gatewayIp('link set wan8 up')
  await gatewayIp('route add default via 198.51.100.2 dev wan8 metric 50')
  await expect
    .poll(() => gateway.run('nft', ['list', 'set', 'inet', 'drawbridge', 'outside']), { timeout: 5000 })
    .toMatch(/"wan8"/)
  expect(await reaches(server.ip, 81)).toBe('timeout')

  await gatewayIp('route del default via 198.51.100.2 dev wan8')
  await soon(server.ip, 81).toBe('server')
  await clientIp('route del 10.0.0.0/24 via 198.51.100.1')
  await gatewayIp('link del wan8')
  expect(await client.asks(gateway.outside, 8000)).toMatchObject({ identity: 'server' })
})

test('without any default route every interface is outside', async () => {
  const { client, server } = lab
  await addUplink('wan9')
  await clientIp('route add 10.0.0.0/24 via 198.51.100.1')
  await soon(server.ip, 81).toBe('server')
  await gatewayIp('route del default')
  await gatewayIp('-6 route del default')
  await soon(server.ip, 81).toBe('timeout')
  await gatewayIp(`route add default via ${client.ip}`)
  await gatewayIp(`-6 route add default via ${client.ip6}`)
  await soon(server.ip, 81).toBe('server')
  await clientIp('route del 10.0.0.0/24 via 198.51.100.1')
  await gatewayIp('link del wan9')
})

test('a machine that changes all the time costs the agent little', async () => {
  await addUplink('wan9')
  const batch = Array.from({ length: 4000 }, (_, index) => `link set wan9 ${index % 2 ? 'up' : 'down'}\n`)
  const [began, before] = [performance.now(), spent()]
  await lab.gateway.run('ip', ['-batch', '-'], { input: batch.join('') })
  const seconds = (performance.now() - began) / 1000
  const share = (spent() - before) / (seconds * 1e9)
  process.stdout.write(
    `4,000 changes in ${seconds.toFixed(1)} s cost the agent ${(share * 100).toFixed(1)} % of a core\n`,
  )
  expect(share).toBeLessThan(0.5)
  await gatewayIp('link del wan9')
})

/** Nanoseconds on a processor, of all threads of the agent. */
function spent(): number {
  const threads = `/proc/${drawbridge.pid('agent')}/task`
  const times = readdirSync(threads).map((thread) => readFileSync(`${threads}/${thread}/schedstat`, 'utf8'))
  return times.reduce((sum, text) => sum + Number(text.split(' ')[0]), 0)
}
