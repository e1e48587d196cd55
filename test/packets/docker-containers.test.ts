/** Containers of a real dockerd by their names. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { canRunDocker, type Docker, startDocker } from '../lab/docker.ts'
import { type Drawbridge, startDrawbridge } from '../lab/drawbridge.ts'
import { type Lab, startLab } from '../lab/lab.ts'

const restore = fileURLToPath(new URL('../../bin/drawbridge-restore', import.meta.url))
const slow = { timeout: 120_000 }
const patience = { timeout: 30_000 }

describe.runIf(canRunDocker)('containers of dockerd (wants root of the machine)', () => {
  let lab: Lab
  let docker: Docker
  let drawbridge: Drawbridge

  beforeAll(async () => {
    lab = await startLab()
    docker = await startDocker(lab, lab.gateway)
    drawbridge = await startDrawbridge(lab, ['env', `DOCKER_HOST=${docker.socket}`])
  }, slow.timeout)
  afterAll(() => lab?.close(), slow.timeout)
  afterEach(async () => {
    const left = (await docker.runs('ps', '--all', '--quiet')).split('\n').filter(Boolean)
    if (left.length > 0) await docker.runs('rm', '--force', ...left)
    const { forwards } = await drawbridge.api.forwards()
    if (forwards.length > 0) await drawbridge.api.close({ names: forwards.map(({ name }) => name) })
  }, slow.timeout)

  test(
    'exposure names the container behind a published port, and where the rule has gone that behind docker-proxy',
    slow,
    async () => {
      await docker.serves('web', 80, 'web', '--publish', '8080:80')
      const behind = async (kind: string) => {
        const { exposures } = await drawbridge.api.exposure()
        return exposures.filter((one) => one.kind === kind && one.ports === '8080').map((one) => one.behind)
      }
      const dockers = /by Docker \(table ip6? nat, chain DOCKER, rule handle \d+\)$/
      await expect
        .poll(
          async () => (await behind('translation')).map((one) => one.replace(dockers, 'by Docker')),
          patience,
        )
        .toEqual([
          '172.17.0.2:80 of container web, by Docker',
          '[fd00:d::242:ac11:2]:80 of container web, by Docker',
        ])
      expect(await behind('service')).toEqual([])
      await lab.gateway.run('iptables', ['-t', 'nat', '-F', 'DOCKER'])
      await expect
        .poll(() => behind('service'), patience)
        .toEqual([expect.stringMatching(/ for container web$/)])
      await docker.runs('rm', '--force', 'web')
      await expect.poll(() => behind('translation'), { timeout: 15_000 }).toEqual([])
    },
  )

  const says = (port: number) =>
    lab.client.exchanges(lab.gateway.outside, port, '', { halfClose: true, timeout: 1000 })

  test(
    "a forward to a container by its name follows it to another address; the old one is another's",
    slow,
    async () => {
      const first = await docker.serves('app', 80, 'app')
      await drawbridge.opens('tcp/8001', 'container:app:80', { name: 'app' })
      expect(await says(8001)).toBe('app\n')
      await docker.runs('stop', '--time', '0', 'app')
      await expect.poll(() => says(8001).catch(String), patience).toMatch(/refused/)
      expect(await docker.serves('intruder', 80, 'intruder')).toBe(first)
      await expect(says(8001)).rejects.toThrow(/refused/)
      await docker.runs('start', 'app')
      const began = performance.now()
      await expect.poll(() => says(8001).catch(String), { ...patience, interval: 10 }).toBe('app\n')
      console.log(
        `a container with another address is reached after ${Math.round(performance.now() - began)} ms`,
      )
      await docker.runs('rm', '--force', 'app', 'intruder')
      await drawbridge.closes('app')
    },
  )

  test(
    'the next boot does not send to where a container was; what it was told besides is there',
    slow,
    async (t) => {
      const address = await docker.serves('app', 80, 'app')
      const { gateway, server } = lab
      await server.answers('tcp', 80)
      await drawbridge.opens('tcp/8001', 'container:app:80', { name: 'app' })
      await drawbridge.opens('tcp/8002', ['container:app:80', server.at(80)], { name: 'mixed' })
      await docker.runs('restart', '--time', '0', 'app')
      await expect.poll(() => says(8001).catch(String), patience).toBe('app\n')
      const boot = readFileSync(join(drawbridge.state, 'agent', 'boot.nft'), 'utf8')
      expect(boot).toContain(server.ip)
      expect(boot).not.toContain(address)
      const later = await startLab(t)
      await later.gateway.run(restore, ['--state', drawbridge.state])
      await later.server.answers('tcp', 80)
      expect((await later.client.asks(later.gateway.outside, 8002)).identity).toBe('server')
      await expect(later.client.asks(later.gateway.outside, 8001)).rejects.toThrow(/refused/)
      await docker.runs('rm', '--force', 'app')
      await expect.poll(() => says(8001).catch(String), patience).toMatch(/refused/)
      expect((await lab.client.asks(gateway.outside, 8002)).identity).toBe('server')
    },
  )

  test('an agent that is killed while a container moves finds it where it is', slow, async () => {
    const first = await docker.serves('app', 80, 'app')
    await drawbridge.opens('tcp/8001', 'container:app:80', { name: 'app' })
    expect(await says(8001)).toBe('app\n')
    await drawbridge.kill9()
    await docker.runs('stop', '--time', '0', 'app')
    expect(await docker.serves('intruder', 80, 'intruder')).toBe(first)
    await docker.runs('start', 'app')
    await drawbridge.start()
    expect(await says(8001)).toBe('app\n')
  })

  test('while dockerd is killed and started, and after it has restarted its containers', slow, async () => {
    const { client, gateway } = lab
    // It outlives its dockerd, and is started anew with it.
    await docker.serves('app', 80, 'app', '--restart', 'always')
    await drawbridge.opens('tcp/8001', 'container:app:80', { name: 'app' })
    expect(await says(8001)).toBe('app\n')
    await docker.kill9()
    await docker.start()
    await expect.poll(() => says(8001).catch(String), patience).toBe('app\n')
    await docker.stop()
    await expect.poll(() => says(8001).catch(String), patience).toMatch(/refused|unreachable|timeout/)
    await docker.start()
    await expect.poll(() => says(8001).catch(String), patience).toBe('app\n')
    expect(await client.exchanges(gateway.outside6, 8001, '', { halfClose: true })).toBe('app\n')
    await docker.runs('rm', '--force', 'app')
    await expect.poll(() => says(8001).catch(String), patience).toMatch(/refused/)
  })
})
