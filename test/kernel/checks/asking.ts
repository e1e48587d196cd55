/** The gateway of a lab asks: each check as it is written, in this process, by the network of that gateway. */
import { afterAll, beforeAll } from 'vitest'
import { checkPlace } from '../../../src/kernel/checks/check.ts'
import { readHost } from '../../../src/kernel/host.ts'
import { describeOutcome } from '../../../src/model/condition.ts'
import { type HealthDocument, parseHealth } from '../../../src/model/health.ts'
import { type Lab, startLab } from '../../lab/lab.ts'
import { enterNetwork } from '../network.ts'

export const patience = { timeout: 20_000, interval: 100 }

/** A lab for all tests of a file, in whose gateway this process is as long as they run. */
export function labOfFile(): () => Lab {
  let lab: Lab | undefined
  let leave = () => {}
  beforeAll(async () => {
    lab = await startLab()
    leave = enterNetwork(lab.gateway.namespace)
  }, 60_000)
  afterAll(async () => {
    leave()
    await lab?.close()
  })
  return () => {
    if (!lab) throw new Error('the lab has not been started')
    return lab
  }
}

/** What a check says: '' when the target is alive and nothing is to be said. */
export async function says(written: HealthDocument, port: number, address = '10.0.0.5'): Promise<string> {
  const { check, timeout } = parseHealth('health', written)
  const outcome = await checkPlace({ address, port, timeout }, check, new Set(readHost().addresses))
  return outcome.kind === 'alive' ? outcome.warning : `${outcome.kind}: ${describeOutcome(outcome)}`
}

/** Of each kind, as an object, but that of ICMP. */
export const everyCheck = [
  { check: 'tcp' },
  { check: 'http' },
  { check: 'https' },
  { check: 'redis' },
  { check: 'postgres' },
  { check: 'mysql' },
  { check: 'smtp' },
  { check: 'dns', name: 'app.example.org', answer: '10.0.0.7' },
  { check: 'udp', send: 'ping', answer: 'pong' },
] as const satisfies readonly HealthDocument[]
