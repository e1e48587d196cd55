/** New connections and bulk throughput through each row, the rows taking turns. */
import { readdirSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { type Lab, targetPort } from './lab.ts'
import type { Row } from './rows.ts'
import { mean, sum } from './statistics.ts'

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

/**
 * `alone`: one connection after the other, client and server on one processor, so that nothing ever waits and the rate
 * is the inverse of all the work that a connection is. `crowd`: four at a time on all processors.
 */
export type Manner = 'alone' | 'crowd'

const lastProcessor = String(availableParallelism() - 1)
const manners: Readonly<Record<Manner, { threads: number; prefix: readonly [string, ...string[]] }>> = {
  alone: { threads: 1, prefix: ['taskset', '-c', lastProcessor] },
  crowd: { threads: 4, prefix: ['env'] },
}

/** In a round each row has its turn twice, the second time in reverse order (ABBA); the order rotates between rounds. */
export async function measureConnections(
  lab: Lab,
  crr: string,
  manner: Manner,
  rows: readonly Row[],
  { rounds, connections }: Effort,
): Promise<Map<Row, Connections>> {
  const { prefix, threads } = manners[manner]
  const server = await lab.server.start('ready', ...prefix, crr, 'server', `${targetPort}`)
  let start = 0
  const sample = async ({ gateway, low, high, processes = [] }: Row): Promise<Sample> => {
    start += connections
    const { outside, firstSource, sources } = gateway
    const words = [outside, low, high, firstSource, sources, start, connections, threads].map(String)
    const spent = () => sum([server.pid, ...processes].map(cpuOf))
    const before = spent()
    const taken = JSON.parse(await lab.client.run(...prefix, crr, 'client', ...words)) as Sample
    return { ...taken, cpu: (taken.cpu + spent() - before) / connections }
  }
  for (const row of rows) await sample(row)
  const samples = await takeTurns(rows, rounds, async (order) => {
    const turns = new Map<Row, Sample[]>(rows.map((row) => [row, []]))
    for (const row of [...order, ...order.toReversed()]) turns.get(row)?.push(await sample(row))
    return new Map([...turns].map(([row, both]) => [row, merge(both)]))
  })
  await server.end('SIGKILL')
  return new Map([...samples].map(([row, taken]) => [row, connectionsOf(taken)]))
}

/** Microseconds on a processor so far, of all threads, to the nanosecond. Source: Documentation/scheduler/sched-stats.rst. */
function cpuOf(pid: number): number {
  const times = readdirSync(`/proc/${pid}/task`).map((thread) =>
    Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]),
  )
  return sum(times) / 1000
}

function merge(both: readonly Sample[]): Sample {
  const of = (field: keyof Sample) => both.map((sample) => sample[field])
  return {
    rate: mean(of('rate')),
    p50: mean(of('p50')),
    p99: mean(of('p99')),
    cpu: mean(of('cpu')),
    failed: sum(of('failed')),
  }
}

function connectionsOf(samples: readonly Sample[]): Connections {
  const of = (field: keyof Sample) => samples.map((sample) => sample[field])
  return { rate: of('rate'), p50: of('p50'), p99: of('p99'), cpu: of('cpu'), failed: sum(of('failed')) }
}

/** Megabits per second of one TCP stream through each row, round by round. */
export async function measureBulk(
  lab: Lab,
  rows: readonly Row[],
  { rounds, seconds }: { readonly rounds: number; readonly seconds: number },
): Promise<Map<Row, readonly number[]>> {
  const server = await lab.server.start(
    'Server listening',
    'iperf3',
    '-s',
    '--forceflush',
    '-p',
    `${targetPort}`,
  )
  const speeds = await takeTurns(rows, rounds, async (order, round) => {
    const taken = new Map<Row, number>()
    for (const row of round % 2 === 0 ? order : order.toReversed()) {
      taken.set(row, await speedOf(lab, row, seconds))
    }
    return taken
  })
  await server.end('SIGKILL')
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
