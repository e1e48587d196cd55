/** The last good answers on the disk, so that a controller that starts while the name server is away knows them. */
import { readFileSync } from 'node:fs'
import { open, rename } from 'node:fs/promises'
import { z } from 'zod'
import { readAddress } from '../../model/address.ts'
import type { Clock } from '../runner.ts'
import type { Remembered } from './following.ts'

const known = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('addresses'),
    addresses: z
      .array(z.string())
      .transform((texts) => texts.flatMap((text) => readAddress(text) ?? []))
      .refine((addresses) => addresses.length > 0),
  }),
  z.strictObject({
    kind: z.literal('services'),
    services: z.array(z.strictObject({ name: z.string(), port: z.int(), weight: z.int() })).min(1),
  }),
])
const written = z.strictObject({ version: z.literal(1), names: z.record(z.string(), z.unknown()) })
const one = z.strictObject({ since: z.number(), known })

/** Nothing, where there is no such file or nothing of it can be read: the servers are asked in any case. */
export function readMemory(path: string): ReadonlyMap<string, Remembered> {
  try {
    const { names } = written.parse(JSON.parse(readFileSync(path, 'utf8')))
    return new Map(
      Object.entries(names).flatMap(([name, value]) => {
        const { data } = one.safeParse(value)
        return data ? [[name, data] as const] : []
      }),
    )
  } catch {
    return new Map()
  }
}

/** Answers that change by the second are written only so often, in milliseconds. */
const pause = 1000

/** Gives what to call when an answer has changed. A file that cannot be written is written at the next change. */
export function memoryKeeper(
  path: string,
  names: () => ReadonlyMap<string, Remembered>,
  clock: Pick<Clock, 'after'>,
): () => void {
  let waits = false
  return () => {
    if (waits) return
    waits = true
    clock.after(pause, () => {
      waits = false
      void writeMemory(path, names()).catch(() => {})
    })
  }
}

async function writeMemory(path: string, names: ReadonlyMap<string, Remembered>): Promise<void> {
  const entries = [...names].map(([name, { since, known: answer }]) => [
    name,
    {
      since,
      known:
        answer.kind === 'addresses'
          ? { ...answer, addresses: answer.addresses.map(({ text }) => text) }
          : answer,
    },
  ])
  const file = await open(`${path}.new`, 'w', 0o600)
  try {
    await file.writeFile(JSON.stringify({ version: 1, names: Object.fromEntries(entries) }))
    await file.datasync()
  } finally {
    await file.close()
  }
  await rename(`${path}.new`, path)
}
