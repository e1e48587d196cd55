/** Containers of a real dockerd by their names. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type Docker, startDocker } from '../lab/docker.ts'
import { type Drawbridge, startDrawbridge } from '../lab/drawbridge.ts'
import { type Lab, startLab } from '../lab/lab.ts'
import { isRoot } from '../lab/root.ts'

const restore = fileURLToPath(new URL('../../bin/drawbridge-restore', import.meta.url))
const slow = { timeout: 120_000 }
const patience = { timeout: 30_000 }

describe.runIf(isRoot)('containers of dockerd (wants root of the machine)', () => {
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
  /** A program in a container listens a moment after the container has started. */
  const answers = (port: number, text: string) =>
    expect.poll(() => says(port).catch(String), { ...patience, interval: 10 }).toBe(`${text}\n`)
  const refuses = (port: number) => expect.poll(() => says(port).catch(String), patience).toMatch(/refused/)

  test(
    "a forward to a container by its name follows it to another address; the old one is another's",
    slow,
    async () => {
      const first = await docker.serves('app', 80, 'app')
      await drawbridge.opens('tcp/8001', 'container:app:80', { name: 'app' })
      await answers(8001, 'app')
      await docker.runs('stop', '--time', '0', 'app')
      await refuses(8001)
      expect(await docker.serves('intruder', 80, 'intruder')).toBe(first)
      await expect(says(8001)).rejects.toThrow(/refused/)
      await docker.runs('start', 'app')
      const began = performance.now()
      await answers(8001, 'app')
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
      await answers(8001, 'app')
      const boot = readFileSync(join(drawbridge.state, 'agent', 'boot.nft'), 'utf8')
      expect(boot).toContain(server.ip)
      expect(boot).not.toContain(address)
      const later = await startLab(t)
      await later.gateway.run(restore, ['--state', drawbridge.state])
      await later.server.answers('tcp', 80)
      expect((await later.client.asks(later.gateway.outside, 8002)).identity).toBe('server')
      await expect(later.client.asks(later.gateway.outside, 8001)).rejects.toThrow(/refused/)
      await docker.runs('rm', '--force', 'app')
      await refuses(8001)
      expect((await lab.client.asks(gateway.outside, 8002)).identity).toBe('server')
    },
  )

  test('an agent that is killed while a container moves finds it where it is', slow, async () => {
    const first = await docker.serves('app', 80, 'app')
    await drawbridge.opens('tcp/8001', 'container:app:80', { name: 'app' })
    await answers(8001, 'app')
    await drawbridge.kill9()
    await docker.runs('stop', '--time', '0', 'app')
    expect(await docker.serves('intruder', 80, 'intruder')).toBe(first)
    await docker.runs('start', 'app')
    await drawbridge.start()
    await answers(8001, 'app')
  })

  test('while dockerd is killed and started, and after it has restarted its containers', slow, async () => {
    const { client, gateway } = lab
    // It outlives a dockerd that is killed, and is started anew with the next one.
    await docker.serves('app', 80, 'app', '--restart', 'always', '--stop-timeout', '1')
    await drawbridge.opens('tcp/8001', 'container:app:80', { name: 'app' })
    await answers(8001, 'app')
    await docker.kill9()
    await answers(8001, 'app')
    await docker.start()
    await answers(8001, 'app')
    await docker.stop()
    await expect.poll(() => says(8001).catch(String), patience).toMatch(/refused|unreachable|timeout/)
    await docker.start()
    await answers(8001, 'app')
    expect(await client.exchanges(gateway.outside6, 8001, '', { halfClose: true })).toBe('app\n')
    await docker.runs('rm', '--force', 'app')
    await refuses(8001)
  })

  test(
    'a container that is not there, or has no address, is refused with what to write; one that stops is told',
    slow,
    async () => {
      await docker.serves('shop-app-1', 80, 'app', '--expose', '80')
      await docker.serves('local', 80, 'local', '--network', 'host')
      await docker.serves('lonely', 80, 'lonely', '--network', 'none')
      const opens = (target: string) => drawbridge.cli(['open', 'tcp/8001', target, '--name', 'app'])
      expect(await opens('container:shop-app:80')).toMatchObject({
        code: 2,
        stderr: expect.stringMatching(
          /app: there is no container shop-app on this machine\n +Did you mean container:shop-app-1\?/,
        ),
      })
      expect((await opens('container:local:80')).stderr).toMatch(/no address of its own\n.*give self:PORT/)
      expect((await opens('container:lonely:80')).stderr).toMatch(
        /in no network that this machine reaches\n.*docker network connect bridge lonely/,
      )
      expect(
        await drawbridge.cli(['open', 'tcp/8001', 'container:shop-app-1:81', '--name', 'app']),
      ).toMatchObject({
        code: 0,
        stderr: expect.stringContaining(
          'app: container shop-app-1 names tcp/80 as its ports, and not tcp/81',
        ),
      })
      const status = async () => (await drawbridge.cli(['status'])).stdout
      expect(await status()).not.toContain('shop-app-1')
      await docker.runs('stop', '--time', '0', 'shop-app-1')
      expect(await status()).toMatch(
        /^conflict: app: container shop-app-1 does not run; new connections to it are refused until it does$/m,
      )
      await docker.runs('rm', 'shop-app-1')
      expect(await status()).toMatch(/^conflict: app: there is no container shop-app-1;/m)
      // It can be switched off and on all the same: that is nothing new.
      for (const verb of ['disable', 'enable']) expect((await drawbridge.cli([verb, 'app'])).code).toBe(0)
    },
  )

  test('a dockerd that hangs holds up nothing, and is told until it goes on', slow, async () => {
    const { client, gateway, server } = lab
    await server.answers('tcp', 81)
    await docker.serves('app', 80, 'app')
    await drawbridge.opens('tcp/8001', 'container:app:80', { name: 'app' })
    const status = async () => (await drawbridge.cli(['status'])).stdout
    await answers(8001, 'app')
    try {
      docker.hang(true)
      await drawbridge.opens('tcp/8002', server.at(81), { name: 'other' })
      expect((await client.asks(gateway.outside, 8002)).identity).toBe('server')
      await answers(8001, 'app')
      await expect
        .poll(status, patience)
        .toMatch(/^conflict: Docker does not answer \(it has not answered in 5 s\): forwards go on to where/m)
      await answers(8001, 'app')
      expect(await drawbridge.cli(['open', 'tcp/8003', 'container:late:80', '--name', 'late'])).toMatchObject(
        {
          code: 0,
          stderr: expect.stringContaining(
            'late: container late cannot be looked up, as Docker does not answer',
          ),
        },
      )
      await expect(says(8003)).rejects.toThrow(/refused/)
      await drawbridge.restart()
      expect((await client.asks(gateway.outside, 8002)).identity).toBe('server')
    } finally {
      docker.hang(false)
    }
    await answers(8001, 'app')
    await docker.serves('late', 80, 'late')
    await answers(8003, 'late')
    expect(await status()).not.toMatch(/^conflict/m)
  })

  describe.each([
    ['routed', '0'],
    ['bridged past the routing', '1'],
  ])('a container calls a forward to its own bridge, %s (bridge-nf-call-iptables = %s)', (_, nf) => {
    const gets = async (who: string, port: number, at = lab.gateway.outside) => {
      const words = `/bin/busybox sleep 1 | /bin/busybox nc -w 2 ${at} ${port}`
      return docker.runs('exec', who, '/bin/busybox', 'sh', '-c', words).catch(String)
    }
    const reads = async () => (await drawbridge.cli(['status'])).stdout

    test('another one answers, itself only where its port is in hairpin mode', slow, async () => {
      const { gateway } = lab
      const set = `for file in /proc/sys/net/bridge/bridge-nf-call-ip*tables; do echo ${nf} >$file; done`
      await gateway.run('sh', ['-ec', set])
      await docker.serves('here', 80, 'here')
      await docker.serves('there', 80, 'there')
      await drawbridge.opens('tcp/8001', 'container:there:80', { name: 'there' })
      for (const at of [gateway.outside, gateway.outside6])
        await expect.poll(() => gets('here', 8001, at), patience).toBe('there\n')
      const itself = await gets('there', 8001)
      const sentence =
        /^conflict: who is on the bridge docker0 .*calls a forward that leads to itself gets no answer/m
      const looked = async () => {
        await gateway.nft('table ip another\ndelete table ip another')
        return reads()
      }
      if (nf === '0') {
        expect(itself).toBe('there\n')
        await expect.poll(looked, patience).not.toMatch(sentence)
        return
      }
      expect(itself).toMatch(/timed out/)
      await expect.poll(looked, patience).toMatch(sentence)
      const ports = JSON.parse(await gateway.run('bridge', ['-j', 'link'])) as { ifname: string }[]
      for (const { ifname } of ports)
        await gateway.run('bridge', ['link', 'set', 'dev', ifname, 'hairpin', 'on'])
      expect(await gets('there', 8001)).toBe('there\n')
      await expect.poll(looked, patience).not.toMatch(sentence)
    })
  })
})
