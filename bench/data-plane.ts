/** New connections and bulk throughput through each row, the rows taking turns. */
import { readFileSync } from 'node:fs'
import type { Running } from './commands.ts'
import { type Lab, targetPort } from './lab.ts'
import type { Row } from './rows.ts'
import { mean } from './statistics.ts'

/** What one row did in each round. Times in microseconds; `cpu` is what client, kernel and server spent together. */
export interface Connections {
  readonly rate: readonly number[]
  readonly p50: readonly number[]
  readonly p99: readonly number[]
  readonly cpu: readonly number[]
  readonly failed: number
}

interface Sample {
  readonly rate: number
  readonly p50: number
  readonly p99: number
  readonly cpu: number
  readonly failed: number
}

export interface Effort {
  readonly rounds: number
  readonly connections: number
}

/** More threads than cores: what is measured is how much work a connection is, not how long it waits. */
const threads = 4

/** In a round each row has its turn twice, the second time in reverse order (ABBA); the order rotates between rounds. */
export async function measureConnections(
  lab: Lab,
  crr: string,
  rows: readonly Row[],
  { rounds, connections }: Effort,
): Promise<Map<Row, Connections>> {
  const server = await lab.server.start('ready', crr, 'server', String(targetPort))
  let made = 0
  const sample = async (row: Row): Promise<Sample> => {
    made += connections
    return sampleOf(lab, crr, row, { start: made, connections, server })
  }
  for (const row of rows) await sample(row)
  const samples = await takeTurns(rows, rounds, async (order) => {
    const turns = new Map<Row, Sample[]>(rows.map((row) => [row, []]))
    for (const row of [...order, ...order.toReversed()]) turns.get(row)?.push(await sample(row))
    return new Map([...turns].map(([row, both]) => [row, merge(both)]))
  })
  await server.end()
  return new Map([...samples].map(([row, taken]) => [row, connectionsOf(taken)]))
}

interface Batch {
  readonly start: number
  readonly connections: number
  readonly server: Running
}

async function sampleOf(lab: Lab, crr: string, row: Row, batch: Batch): Promise<Sample> {
  const { outside, firstSource, sources } = row.gateway
  const numbers = [batch.start, batch.connections, threads].map(String)
  const ports = [String(row.low), String(row.high)]
  const before = cpuOf(batch.server)
  const printed = await lab.client.run(crr, 'client', outside, ...ports, firstSource, `${sources}`, ...numbers)
  const sample = JSON.parse(printed) as Sample
  const cpu = (sample.cpu + cpuOf(batch.server) - before) / batch.connections
  return { ...sample, cpu }
}

/** Microseconds on a processor so far, to the nanosecond. Source: Documentation/scheduler/sched-stats.rst. */
function cpuOf({ pid }: Running): number {
  return Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1000
}

function merge(both: readonly Sample[]): Sample {
  const of = (field: keyof Sample) => both.map((sample) => sample[field])
  return {
    rate: mean(of('rate')),
    p50: mean(of('p50')),
    p99: mean(of('p99')),
    cpu: mean(of('cpu')),
    failed: of('failed').reduce((sum, one) => sum + one, 0),
  }
}

function connectionsOf(samples: readonly Sample[]): Connections {
  const of = (field: keyof Sample) => samples.map((sample) => sample[field])
  const failed = of('failed').reduce((sum, one) => sum + one, 0)
  return { rate: of('rate'), p50: of('p50'), p99: of('p99'), cpu: of('cpu'), failed }
}

/** Megabits per second of one TCP stream through each row, round by round. */
export async function measureBulk(
  lab: Lab,
  rows: readonly Row[],
  { rounds, seconds }: { readonly rounds: number; readonly seconds: number },
): Promise<Map<Row, readonly number[]>> {
  const server = await lab.server.start('Server listening', 'iperf3', '-s', '--forceflush', '-p', `${targetPort}`)
  const speeds = await takeTurns(rows, rounds, async (order, round) => {
    const taken = new Map<Row, number>()
    for (const row of round % 2 === 0 ? order : order.toReversed()) {
      taken.set(row, await speedOf(lab, row, seconds))
    }
    return taken
  })
  await server.end()
  return speeds
}

interface IperfReport {
  readonly end: { readonly sum_received: { readonly bits_per_second: number } }
}

async function speedOf({ client }: Lab, { gateway, low }: Row, seconds: number): Promise<number> {
  const words = ['-c', gateway.outside, '-p', String(low), '-t', String(seconds), '-J']
  const { end } = JSON.parse(await client.run('iperf3', ...words)) as IperfReport
  return end.sum_received.bits_per_second / 1e6
}

/** Runs `round` with the rows in an order that rotates, and collects by row what the rounds gave. */
async function takeTurns<T>(
  rows: readonly Row[],
  rounds: number,
  round: (order: readonly Row[], round: number) => Promise<ReadonlyMap<Row, T>>,
): Promise<Map<Row, T[]>> {
  const taken = new Map<Row, T[]>(rows.map((row) => [row, []]))
  for (let number = 0; number < rounds; number += 1) {
    const shift = number % rows.length
    const order = [...rows.slice(shift), ...rows.slice(0, shift)]
    for (const [row, value] of await round(order, number)) taken.get(row)?.push(value)
  }
  return taken
}
