/** `npm run bench`: Drawbridge beside the same done by hand, in one run on one machine. Started by scripts/bench.sh. */
import { readFileSync } from 'node:fs'
import { cpus, release } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { gunzipSync } from 'node:zlib'
import { run } from './commands.ts'
import { measureControlPlane } from './control-plane.ts'
import { type Manner, measureBulk, measureConnections } from './data-plane.ts'
import { startLab } from './lab.ts'
import { setUpProxies } from './proxies.ts'
import { reportBulk, reportConnections, reportControlPlane } from './report.ts'
import { setUpRows } from './rows.ts'

const { values } = parseArgs({
  options: { scratch: { type: 'string' }, quick: { type: 'boolean', default: false } },
})

const effort = values.quick
  ? {
      alone: { rounds: 9, connections: 600 },
      crowd: { rounds: 3, connections: 1000 },
      bulk: { rounds: 1, seconds: 1 },
      control: { applies: 1, changes: 10, restarts: 1 },
    }
  : {
      alone: { rounds: 120, connections: 600 },
      crowd: { rounds: 40, connections: 1000 },
      bulk: { rounds: 9, seconds: 2 },
      control: { applies: 5, changes: 30, restarts: 5 },
    }

// What we started ends with us, see commands.ts.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1))

await main(values.scratch ?? '/nonexistent')
process.exit(0)

async function main(scratch: string): Promise<void> {
  say(await machine())
  await run('ip', 'link', 'set', 'lo', 'up')
  const lab = await startLab()
  const rows = await setUpRows(lab, scratch)
  const { byHand, again, one, many, guarded, shielded, banned, pools } = rows
  const all = [byHand, again, one, many, guarded, shielded, pools]

  for (const manner of ['alone', 'crowd'] as const) {
    const measured = await measureConnections(lab, join(scratch, 'crr'), manner, all, effort[manner])
    say(`\n${explain(manner)}\n\n${reportConnections(measured, !countsInterruptsApart())}`)
  }

  const kept = await measureConnections(lab, join(scratch, 'crr'), 'alone', [one, banned], effort.alone)
  say(`\n${explain('alone')}\n\n${reportConnections(kept, !countsInterruptsApart())}`)

  for (const proxy of ['haproxy', 'nginx'] as const) {
    const proxied = await setUpProxies(lab, scratch, proxy)
    const taken = await measureConnections(lab, join(scratch, 'crr'), 'crowd', proxied, effort.crowd)
    say(`\n${explain('crowd')}\n\n${reportConnections(taken, !countsInterruptsApart())}`)
  }

  const bulk = await measureBulk(lab, all, effort.bulk)
  say(`
Bulk: iperf3 for ${effort.bulk.seconds} s, ${effort.bulk.rounds} rounds.

${reportBulk(bulk)}`)

  await guarded.drawbridge.stop()
  await shielded.drawbridge.stop()
  const compared = await measureControlPlane(rows, scratch, effort.control)
  say(`
Changes: ratio to what stands at the right, less is better; median [95 % confidence interval].

${reportControlPlane(compared)}`)
}

function explain(manner: Manner): string {
  const { rounds, connections } = effort[manner]
  const how =
    manner === 'alone'
      ? 'one after the other, client, gateway and server on one processor'
      : 'four at a time, on all processors'
  return `New TCP connections, ${how}: ${rounds} rounds, in each every row twice for ${connections}.
Ratio to the first row, median of the rounds [95 % confidence interval].`
}

/** Then the gateway's work, done in soft interrupts, is in no process's time. Source: init/Kconfig. */
function countsInterruptsApart(): boolean {
  try {
    return gunzipSync(readFileSync('/proc/config.gz')).includes('CONFIG_IRQ_TIME_ACCOUNTING=y')
  } catch {
    return true
  }
}

async function machine(): Promise<string> {
  const nft = (await run('nft', '--version')).trim()
  const processors = cpus()
  const load = readFileSync('/proc/loadavg', 'utf8').split(' ')[0]
  return `Linux ${release()}, ${nft}, Node ${process.versions.node}, ${processors.length} x ${processors[0]?.model}, load ${load}`
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}
