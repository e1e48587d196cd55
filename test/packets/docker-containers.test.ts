/** Containers of a real dockerd by their names. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { canRunDocker, type Docker, startDocker } from '../lab/docker.ts'
import { type Drawbridge, startDrawbridge } from '../lab/drawbridge.ts'
import { type Lab, startLab } from '../lab/lab.ts'

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
})
