/** A gateway with a few services and Drawbridge, whose page of exposures is held against scans by the tests of a file. */
import type { ExposurePage } from '../../src/api/shapes.ts'
import { type Drawbridge, startDrawbridge } from './drawbridge.ts'
import { type Lab, startLab } from './lab.ts'
import { everyPort } from './scanning.ts'

export interface Exposed {
  readonly lab: Lab
  readonly drawbridge: Drawbridge
  /** Rules for one test, with the tables that they make. */
  loads(rules: string, ...tables: readonly string[]): Promise<void>
  /** What the end of the test undoes, the last first. */
  undoes(step: () => Promise<unknown>): void
  /** After each test. */
  clear(): Promise<void>
}

export const minutes = 60_000

/** These, and no more, so that what is dropped does not hold nmap up for long. */
const few = '70-90,1000-1010,8070-8090'
export const fewScans = { tcp4: few, tcp6: few, udp4: few, udp6: few, second: 'none' } as const
const wellKnown = '1-1024,5353,8070-8090'
export const allScans = {
  tcp4: everyPort,
  tcp6: everyPort,
  udp4: wellKnown,
  udp6: wellKnown,
  second: 'none',
} as const

export const named = ({ exposures }: ExposurePage, name: string) => exposures.find((one) => one.name === name)

export async function startExposed(): Promise<Exposed> {
  const lab = await startLab()
  const drawbridge = await startDrawbridge(lab)
  const { gateway, server } = lab
  await gateway.answers('tcp', '80-84')
  await gateway.answers('udp', '1000-1002')
  await server.answers('tcp', '80-81')
  const undo: (() => Promise<unknown>)[] = []
  return {
    lab,
    drawbridge,
    undoes: (step) => void undo.push(step),
    loads: async (rules, ...tables) => {
      await gateway.nft(rules)
      undo.push(() => gateway.nft(tables.map((table) => `delete table ${table}`).join('\n')))
    },
    clear: async () => {
      for (const one of undo.splice(0).reverse()) await one()
      const { forwards } = await drawbridge.api.forwards()
      if (forwards.length > 0) await drawbridge.api.close({ names: forwards.map(({ name }) => name) })
    },
  }
}
