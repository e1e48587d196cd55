/** A gateway with a pool whose targets are checked, on a port of its own for each test. */
import { afterAll, beforeAll, beforeEach, expect } from 'vitest'
import type { HealthDocument } from '../../src/model/health.ts'
import { type Drawbridge, startDrawbridge } from './drawbridge.ts'
import { type Lab, startLab } from './lab.ts'

export const quick = { check: 'tcp', every: '500ms', timeout: '200ms', fall: 2, rise: 2 } as const
export const patience = { timeout: 15_000, interval: 50 }

/** What can be had done with it, once it has started for the file. */
export function poolOfFile() {
  let lab: Lab | undefined
  let drawbridge: Drawbridge | undefined
  let port = 8000
  beforeAll(async () => {
    lab = await startLab()
    drawbridge = await startDrawbridge(lab)
  })
  afterAll(() => lab?.close())
  beforeEach(() => {
    port += 10
  })
  const started = () => {
    if (!lab || !drawbridge) throw new Error('the lab has not been started')
    return { lab, drawbridge }
  }
  const views = async () => (await started().drawbridge.api.forward('pool')).endpoints ?? []
  const states = async () =>
    Object.fromEntries((await views()).map(({ at, checked }) => [at, checked?.state]))
  return {
    lab: () => started().lab,
    drawbridge: () => started().drawbridge,
    port: () => port,
    views,
    becomes: (wanted: object) => expect.poll(states, patience).toEqual(wanted),
    opens: async (to: readonly string[], wishes: object = {}, health: HealthDocument | undefined = quick) => {
      const forward = { name: 'pool', listen: `tcp+udp/${port}`, to: [...to], health, ...wishes }
      await started().drawbridge.api.apply({ gateway: { version: 1, forwards: [forward] } })
    },
    /** Who has answered so many connections: `server 8010`. */
    askedOf: async (times: number): Promise<readonly string[]> => {
      const { client, gateway } = started().lab
      const found: string[] = []
      for (let i = 0; i < times; i += 1) {
        const { identity, port: at } = await client.asks(gateway.outside, port)
        found.push(`${identity} ${at}`)
      }
      return found
    },
  }
}

/** Serves TCP and UDP on a port of its own; `dies` as a process does, `vanishes` as a host does. */
export async function startTarget(host: Lab['server'], at: number) {
  const start = () => Promise.all([host.answers('tcp', at), host.answers('udp', at)])
  let running = await start()
  const table = `hole_${at}`
  return {
    at: host.at(at),
    dies: async () => void (await Promise.all(running.map((one) => one.stop()))),
    returns: async () => {
      running = await start()
    },
    vanishes: () =>
      host.nft(`table inet ${table} { chain in { type filter hook input priority 0;
        tcp dport ${at} drop; udp dport ${at} drop; }
      }`),
    appears: async () => void (await host.run('nft', ['delete', 'table', 'inet', table])),
  }
}
