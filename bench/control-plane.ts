/** What a change, a restart and the memory cost, beside the same told to nft by hand or done with few forwards. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TableByHand, tableByHand } from './by-hand.ts'
import { timed } from './commands.ts'
import { addNamespace, targetPort } from './lab.ts'
import { type Drawbridge, forwardsOf, startDrawbridge } from './product.ts'
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
  readonly opens: number
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
  const opens = await measureOpens(rows, hand, repeats.opens)
  const memory = compareMemory(rows.one.drawbridge, rows.many.drawbridge)
  await hand.remove()
  const restarts = await measureRestarts(rows.many.drawbridge, hand, repeats.restarts)
  return [applies, ...opens, restarts, ...memory]
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
    const took = await timed(() => drawbridge.command('apply', '-f', file))
    await drawbridge.api.apply({ gateway: { version: 1, forwards: [] }, prune: true })
    return took
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
  const forwards = forwardsOf({ target: gateway.target, targetPort, low, count: 10 })
  await drawbridge.api.apply({ gateway: { version: 1, forwards } })
}

/** From the question to the answer, which comes when the kernel has it. */
async function measureOpens(rows: Rows, hand: TableByHand, count: number): Promise<Comparison[]> {
  const warming = 5
  const [few = [], many = [], adding = []] = (
    await takeTurns(warming + count, [
      () => opening(rows.one),
      () => opening(rows.many),
      () => addingElement(hand),
    ])
  ).map((taken) => taken.slice(warming))
  const title = 'open one at 64,000, API call to answer'
  return [
    { title, beside: 'nft add element, at 64,000', unit: 'ms', ours: many, theirs: adding },
    { title, beside: 'open one at 10', unit: 'ms', ours: many, theirs: few },
  ]
}

/** Above the ports of the 64,000. */
const freePort = 65_100

async function opening({ drawbridge, gateway }: ProductRow): Promise<number> {
  const [forward] = forwardsOf({ target: gateway.target, targetPort, low: freePort, count: 1 })
  if (!forward) throw new Error('no forward')
  const took = await timed(() => drawbridge.api.open({ forward }))
  await drawbridge.api.close(`port-${freePort}`)
  return took
}

async function addingElement(hand: TableByHand): Promise<number> {
  const took = await timed(() => hand.addElement(freePort))
  await hand.deleteElement(freePort)
  return took
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
async function takeTurns(count: number, kinds: readonly (() => Promise<number>)[]): Promise<number[][]> {
  const taken = kinds.map((): number[] => [])
  for (let turn = 0; turn < count; turn += 1) {
    for (let step = 0; step < kinds.length; step += 1) {
      const kind = (turn + step) % kinds.length
      const value = await kinds[kind]?.()
      if (value !== undefined) taken[kind]?.push(value)
    }
  }
  return taken
}
