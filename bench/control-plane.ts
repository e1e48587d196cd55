/** What a change, a restart and the memory cost, beside the same told to nft by hand or done with few forwards. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TableByHand, tableByHand } from './by-hand.ts'
import { timed } from './commands.ts'
import { addNamespace, targetPort } from './lab.ts'
import { type Drawbridge, forwardsOf, openAll, startDrawbridge } from './product.ts'
import type { ProductRow, Rows } from './rows.ts'

/** Two ways to the same end, measured in turn; milliseconds or MiB, less is better. */
export interface Comparison {
  readonly title: string
  readonly beside: string
  readonly unit: 'ms' | 'MiB'
  readonly ours: readonly number[]
  readonly theirs: readonly number[]
}

export interface Repeats {
  readonly applies: number
  readonly changes: number
  readonly restarts: number
}

/** Leaves the rows with other forwards than they had. */
export async function measureControlPlane(
  rows: Rows,
  scratch: string,
  repeats: Repeats,
): Promise<readonly Comparison[]> {
  const hand = await tableByHand(scratch)
  const applies = await measureApplies(rows.many.drawbridge, hand, scratch, repeats.applies)
  await makeTen(rows.one)
  await hand.load()
  const changes = await measureChanges(rows, hand, repeats.changes)
  const memory = compareMemory(rows.one.drawbridge, rows.many.drawbridge)
  await hand.remove()
  const restarts = await measureRestarts(rows.many.drawbridge, hand, repeats.restarts)
  return [applies, ...changes, restarts, ...memory]
}

/** The file is what `export` prints for `source`. */
async function measureApplies(
  source: Drawbridge,
  hand: TableByHand,
  scratch: string,
  count: number,
): Promise<Comparison> {
  const file = join(scratch, 'many.yaml')
  await writeFile(file, await source.command('export'))
  const drawbridge = await startDrawbridge(await addNamespace('empty'), join(scratch, 'empty'))
  const applying = async () => {
    await drawbridge.api.apply({ gateway: { version: 1, forwards: [] }, prune: true })
    return timed(() => drawbridge.command('apply', '-f', file))
  }
  const [ours = [], theirs = []] = await takeTurns(count, [applying, () => loading(hand)])
  await drawbridge.stop()
  const [title, beside] = ['apply 64,000 from YAML, whole command', 'nft -f of 64,000 elements']
  return { title, beside, unit: 'ms', ours, theirs }
}

async function loading(hand: TableByHand): Promise<number> {
  const took = await timed(hand.load)
  await hand.remove()
  return took
}

async function makeTen({ drawbridge, gateway, low }: ProductRow): Promise<void> {
  await openAll(drawbridge, forwardsOf({ targets: [gateway.target], targetPort, low, count: 10 }))
}

/** From the question to the answer, which comes when the kernel has it. */
async function measureChanges(rows: Rows, hand: TableByHand, count: number): Promise<Comparison[]> {
  const warming = 5
  const taken = await takeTurns(warming + count, [
    () => openAndClose(rows.one),
    () => openAndClose(rows.many),
    () => addAndDelete(hand),
  ])
  const [few = [], many = [], byHand = []] = taken.map((kind) => kind.slice(warming))
  const compared = (verb: 'open' | 'close', beside: string, others: readonly Times[]): Comparison => ({
    title: `${verb} one at 64,000, API call to answer`,
    beside,
    unit: 'ms',
    ours: many.map((times) => times[verb]),
    theirs: others.map((times) => times[verb]),
  })
  return [
    compared('open', 'nft add element, at 64,000', byHand),
    compared('open', 'open one at 10', few),
    compared('close', 'nft delete element, at 64,000', byHand),
    compared('close', 'close one at 10', few),
  ]
}

interface Times {
  readonly open: number
  readonly close: number
}

/** Above the ports of the 64,000. */
const freePort = 65_100

async function openAndClose({ drawbridge, gateway }: ProductRow): Promise<Times> {
  const [forward] = forwardsOf({ targets: [gateway.target], targetPort, low: freePort, count: 1 })
  if (!forward) throw new Error('no forward')
  const open = await timed(() => drawbridge.api.open({ forward }))
  const close = await timed(() => drawbridge.api.close({ names: [`port-${freePort}`] }))
  return { open, close }
}

async function addAndDelete(hand: TableByHand): Promise<Times> {
  const open = await timed(() => hand.addElement(freePort))
  const close = await timed(() => hand.deleteElement(freePort))
  return { open, close }
}

function compareMemory(few: Drawbridge, many: Drawbridge): Comparison[] {
  const [small, large] = [few.memory(), many.memory()]
  return (['agent', 'controller'] as const).map((name) => ({
    title: `memory of the ${name} at 64,000`,
    beside: 'the same at 10',
    unit: 'MiB',
    ours: [large[name]],
    theirs: [small[name]],
  }))
}

/** Both processes are ended, then started until they say that they are ready; the kernel forwards all the time. */
async function measureRestarts(
  drawbridge: Drawbridge,
  hand: TableByHand,
  count: number,
): Promise<Comparison> {
  const restarting = async () => {
    await drawbridge.stop()
    return timed(drawbridge.start)
  }
  const [ours = [], theirs = []] = await takeTurns(count, [restarting, () => loading(hand)])
  const [title, beside] = ['start at 64,000, until ready', 'nft -f of 64,000 elements']
  return { title, beside, unit: 'ms', ours, theirs }
}

/** What each kind gave, repeat by repeat; the order rotates. */
async function takeTurns<T>(count: number, kinds: readonly (() => Promise<T>)[]): Promise<T[][]> {
  const taken = kinds.map((): T[] => [])
  for (let turn = 0; turn < count; turn += 1) {
    for (let step = 0; step < kinds.length; step += 1) {
      const kind = (turn + step) % kinds.length
      const value = await kinds[kind]?.()
      if (value !== undefined) taken[kind]?.push(value)
    }
  }
  return taken
}
