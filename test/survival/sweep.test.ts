/** kill -9 at each system call of a change, from outside, by strace(1): what the named points do not think of. */
import { expect, test } from 'vitest'
import { auditPages, verifyLog } from '../../src/cli/auditing.ts'
import { amount, randomly, seed } from '../amount.ts'
import { start } from '../lab/process.ts'
import { crashIn, type Trap, tell } from './crash.ts'
import type { KindName } from './kinds.ts'
import { startScene } from './scene.ts'

type Part = Trap['part']

/** Netlink is sendto (elements, connections) and sendmsg (the static part). */
const calls = {
  agent: ['sendto', 'sendmsg', 'fsync', 'rename', 'write'],
  controller: ['pwrite64', 'fdatasync', 'fsync', 'connect', 'write'],
} as const satisfies Record<Part, readonly string[]>

/** In the long run these kinds are swept: each system call of each, the first, the second and so on to the last. */
const swept = [
  'apply',
  'open with sources and a limit of its own',
  'rollback',
] as const satisfies readonly KindName[]

const all = (Object.keys(calls) as Part[]).flatMap((part) =>
  calls[part].flatMap((call) =>
    swept.slice(0, amount(0, swept.length)).map((kind) => ({ part, call, kind })),
  ),
)

/** Some call often for each other thread that they wake. */
const deepest = 12

/** Kills a process as it enters the n-th of these system calls, counted by thread, before the kernel carries it out. */
function callTrap(part: Part, call: string, nth: number, pid: () => number | undefined): Trap {
  return {
    part,
    where: `${part} ${call}:${nth}`,
    lay: async () => {
      const filter = ['-e', `trace=${call}`, '-e', `inject=${call}:signal=KILL:when=${nth}`]
      const strace = start(['strace', '-f', '-o', '/dev/null', ...filter, '-p', `${pid()}`])
      await strace.says(/attached/)
      return () => strace.end()
    },
  }
}

/** What a sample is sure to meet, and the most it may count to there. */
const sure = [
  { part: 'agent', call: 'sendto', kind: 'apply', most: 4 },
  { part: 'controller', call: 'pwrite64', kind: 'apply', most: 3 },
  { part: 'agent', call: 'fsync', kind: 'retarget', most: 1 },
  { part: 'controller', call: 'write', kind: 'close', most: 3 },
] as const satisfies readonly { part: Part; call: string; kind: KindName; most: number }[]

test(`crashes at system calls, seed ${seed}`, { timeout: amount(120_000, 3_600_000) }, async (t) => {
  const random = randomly()
  const { lab, drawbridge } = await startScene(t)
  const times: number[] = []
  const crash = async (part: Part, call: string, nth: number, kind: KindName) => {
    const trap = callTrap(part, call, nth, () => drawbridge.pid(part))
    const crashed = await crashIn(lab, drawbridge, kind, trap, times.length % 3 === 2 ? 'all' : 'one')
    if (crashed) times.push(crashed.agreedIn)
    return crashed !== undefined
  }

  for (const { part, call, kind, most } of sure)
    expect(await crash(part, call, 1 + random(most), kind)).toBe(true)
  for (const { part, call, kind } of all) {
    let nth = 1
    while (nth <= deepest && (await crash(part, call, nth, kind))) nth += 1
  }
  expect(await verifyLog(auditPages(drawbridge.api, { after: 0 }), drawbridge.state)).toMatchObject({
    missing: [],
  })
  tell(times)
})
