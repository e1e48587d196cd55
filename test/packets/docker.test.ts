/**
 * Beside Docker, which sets the policy of FORWARD to drop: forwards pass, and nothing else that did not before. Where
 * dockerd cannot run (it wants root of the machine) the rules that it left elsewhere stand in for it.
 */
import { isIPv6 } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Docker, startDocker } from '../lab/docker.ts'
import { type Drawbridge, startDrawbridge } from '../lab/drawbridge.ts'
import { type Lab, startLab } from '../lab/lab.ts'
import { isRoot } from '../lab/root.ts'
import { savedRules } from '../lab/saved.ts'

const slow = { timeout: 120_000 }
const ours = ['-m', 'connmark', '--mark', '0x2db00000/0xfff00000', '-m', 'comment', '--comment', 'drawbridge']
const recorded = new URL('../lab/dockerd.rules', import.meta.url).pathname

/** What dockerd did before its rules were recorded; IPv6 it did not touch then. */
async function restoreRecorded({ gateway }: Lab): Promise<void> {
  await gateway.run('sh', ['-ec', 'echo 1 >/proc/sys/net/ipv4/ip_forward'])
  await gateway.run('iptables-restore', [recorded])
}

interface Beside {
  readonly lab: Lab
  readonly drawbridge: Drawbridge
  /** The rules before anything of ours was there. */
  readonly before: string
}

async function besideDocker(prepare: (lab: Lab) => Promise<unknown>): Promise<Beside> {
  const lab = await startLab()
  try {
    for (const protocol of ['tcp', 'udp'] as const) await lab.server.answers(protocol, 80)
    await prepare(lab)
    return { lab, drawbridge: await startDrawbridge(lab), before: await savedRules(lab.gateway) }
  } catch (error) {
    await lab.close()
    throw error
  }
}

const asker =
  ({ client }: Lab) =>
  async (address: string, port: number, protocol: 'tcp' | 'udp' = 'tcp') =>
    (await client.asks(address, port, { protocol, timeout: 1000 })).identity

/** The places of our rule by family, and how the gateway is reached by each. */
const places = [
  { program: 'iptables', chain: 'DOCKER-USER', outside: 'outside', inside: 'ip' },
  { program: 'ip6tables', chain: 'FORWARD', outside: 'outside6', inside: 'ip6' },
] as const

function letsForwardsThrough(beside: () => Beside, families: readonly (typeof places)[number][]): void {
  const asks = (...args: Parameters<ReturnType<typeof asker>>) => asker(beside().lab)(...args)

  test('a forward passes; status names what would drop it and where it is let through', async () => {
    const { drawbridge, before } = beside()
    const { gateway, server } = beside().lab
    expect(before.match(/^:FORWARD DROP/gm)).toHaveLength(families.length)
    await drawbridge.opens('tcp+udp/8000', [server.at(80), server.at6(80)], { name: 'web' })
    for (const { outside } of families) {
      for (const protocol of ['tcp', 'udp'] as const) {
        expect(await asks(gateway[outside], 8000, protocol)).toBe('server')
      }
    }
    expect((await drawbridge.cli(['status'])).stdout).toMatch(
      /^Docker.* is active and drops forwarded packets \(policy drop of table ip filter, chain FORWARD.*\); connections of forwards are let through in DOCKER-USER/m,
    )
  })

  test('without our rule it does not pass; the agent puts the rule back', slow, async () => {
    const { drawbridge, before } = beside()
    const { gateway } = beside().lab
    const remove = async () => {
      for (const { program, chain } of families)
        await gateway.run(program, ['-D', chain, ...ours, '-j', 'ACCEPT'])
    }
    const pass = async () => {
      for (const { outside } of families) {
        await expect.poll(() => asks(gateway[outside], 8000).catch(() => ''), slow).toBe('server')
      }
    }
    await drawbridge.kill9()
    await remove()
    expect(await savedRules(gateway)).toBe(before)
    for (const { outside } of families) await expect(asks(gateway[outside], 8000)).rejects.toThrow(/timeout/)
    await drawbridge.start()
    await pass()
    await remove()
    await pass()
  })

  test('what the operator drops in that chain is dropped for forwards too', slow, async () => {
    const { client, gateway } = beside().lab
    for (const { program, chain, outside } of families) {
      const [from = ''] = client.addresses.filter((one) => isIPv6(one) === isIPv6(gateway[outside]))
      const drops = [chain, '-s', from, '-m', 'conntrack', '--ctstate', 'NEW', '-j', 'DROP']
      expect((await client.asks(gateway[outside], 8000, { from })).identity).toBe('server')
      await gateway.run(program, ['-I', ...drops])
      await expect(client.asks(gateway[outside], 8000, { from, timeout: 1000 })).rejects.toThrow(/timeout/)
      await gateway.run(program, ['-D', ...drops])
      expect((await client.asks(gateway[outside], 8000, { from })).identity).toBe('server')
    }
  })

  test('what is not forwarded stays shut, to the gateway and to the network behind it', async () => {
    const { client, gateway, server } = beside().lab
    await client.run('ip', ['route', 'add', '10.0.0.0/24', 'via', gateway.outside])
    await client.run('ip', ['-6', 'route', 'add', 'fd00::/64', 'via', gateway.outside6])
    for (const { program, outside, inside } of families) {
      await gateway.run(program, ['-P', 'FORWARD', 'ACCEPT'])
      expect(await asks(server[inside], 80)).toBe('server')
      await gateway.run(program, ['-P', 'FORWARD', 'DROP'])
      await expect(asks(server[inside], 80)).rejects.toThrow(/timeout/)
      await expect(asks(gateway[outside], 8001)).rejects.toThrow(/refused/)
      expect(await asks(gateway[outside], 8000)).toBe('server')
    }
  })
}

function drains(beside: () => Beside): void {
  test(
    'a connection of the last forward that drains goes on; our rule goes when it has ended',
    slow,
    async () => {
      const { drawbridge, before } = beside()
      const { client, gateway, server } = beside().lab
      const held = await client.holds(gateway.outside, 8000)
      await drawbridge.closes('web')
      await expect(client.asks(gateway.outside, 8000)).rejects.toThrow(/refused/)
      expect(await savedRules(gateway)).not.toBe(before)
      await client.run('sleep', ['1'])
      expect(await held.end()).toMatchObject({ end: 'held', inOrder: true })
      const looked = async () => {
        await gateway.nft('table ip another\ndelete table ip another')
        return savedRules(gateway)
      }
      await expect.poll(looked, { timeout: 30_000, interval: 500 }).toBe(before)
      await drawbridge.opens('tcp+udp/8000', [server.at(80), server.at6(80)], { name: 'web' })
    },
  )
}

function leavesNothing(beside: () => Beside): void {
  test(
    'the last forward closed leaves the rules as they were, to the byte; so does down --all',
    slow,
    async () => {
      const { drawbridge, before } = beside()
      const { gateway, server } = beside().lab
      expect(await savedRules(gateway)).not.toBe(before)
      await drawbridge.closes('web')
      expect(await savedRules(gateway)).toBe(before)
      await drawbridge.opens('tcp/8003', server.at(80), { name: 'again' })
      expect(await asker(beside().lab)(gateway.outside, 8003)).toBe('server')
      expect(await savedRules(gateway)).not.toBe(before)
      expect((await drawbridge.cli(['down', '--all'])).code).toBe(0)
      expect(await savedRules(gateway)).toBe(before)
    },
  )
}

describe('beside the rules that dockerd 20.10 left', () => {
  let beside: Beside
  beforeAll(async () => {
    beside = await besideDocker(restoreRecorded)
  })
  afterAll(() => beside?.lab.close())
  letsForwardsThrough(() => beside, places.slice(0, 1))
  drains(() => beside)
  leavesNothing(() => beside)
})

describe.runIf(isRoot)('beside dockerd (wants root of the machine)', () => {
  let beside: Beside
  let docker: Docker
  beforeAll(async () => {
    beside = await besideDocker(async (lab) => {
      docker = await startDocker(lab, lab.gateway)
    })
  }, slow.timeout)
  afterAll(() => beside?.lab.close(), slow.timeout)
  letsForwardsThrough(() => beside, places)

  test('a container can be a target, and the ports that Docker publishes are as before', slow, async () => {
    const { lab, drawbridge } = beside
    const { client, gateway } = lab
    const says = (port: number) => client.exchanges(gateway.outside, port, '', { halfClose: true })
    const address = await docker.serves('web', 80, 'container', '--publish', '8080:80')
    await expect.poll(() => says(8080).catch(() => ''), slow).toBe('container\n')
    await expect(says(8002)).rejects.toThrow(/refused/)
    await drawbridge.opens('tcp/8002', `${address}:80`, { name: 'contained' })
    expect(await says(8002)).toBe('container\n')
    expect(await says(8080)).toBe('container\n')
    await drawbridge.closes('contained')
    await expect(says(8002)).rejects.toThrow(/refused/)
    await docker.runs('rm', '--force', 'web')
  })

  test('while dockerd is killed and started no connection fails, and streams go on', slow, async () => {
    const { client, gateway } = beside.lab
    const held = await client.holds(gateway.outside, 8000)
    // dockerd takes its jump to DOCKER-USER out and puts it in again: a first packet in between is sent once more.
    const load = await client.loads(gateway.outside, 8000, { every: 20, timeout: 20_000 })
    await docker.kill9()
    await docker.start()
    const { asked, failures, longest } = await load.end()
    console.log(
      `dockerd killed and started: ${asked} new connections, the slowest took ${Math.round(longest)} ms`,
    )
    expect(asked).toBeGreaterThan(10)
    expect(failures).toEqual([])
    expect(await held.end()).toMatchObject({ end: 'held', inOrder: true })
  })

  leavesNothing(() => beside)
})
