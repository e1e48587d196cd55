/** Everything on this machine that the outside can reach, declared or not. */
import type { Mark } from '../gateway.ts'
import { type Case, openingsOf, type Taken } from './cases.ts'
import type { Exposure, Machine } from './exposure.ts'
import { type Judged, judge } from './judging.ts'
import { rpFilterUnknown, viewsOf } from './scenes.ts'
import { undeclaredOf } from './undeclared.ts'

/** All that the judgement is made of; it may take seconds where there are many rules. */
export interface Question {
  readonly machine: Machine
  readonly cases: readonly Case[]
  readonly taken: readonly Taken[]
  readonly mark: Mark
}

export interface Report {
  /** Of each case. */
  readonly judged: readonly Judged[]
  readonly undeclared: readonly Exposure[]
  /** What could not be seen, in words. */
  readonly warnings: readonly string[]
}

export function reportOf({ machine, cases, taken, mark }: Question): Report {
  const views = viewsOf(machine, openingsOf(taken), mark.value)
  const judged = cases.map((one) => judge(one, views))
  const undeclared = undeclaredOf(machine, views)
  const spent = views.some(({ scene }) => scene.budget.left <= 0)
  return {
    judged,
    undeclared,
    warnings: [
      ...machine.filters.refused.map(refused),
      ...programsAmong(machine).map(program),
      ...machine.returns.filter(({ filter, by }) => filter !== 'none' && by === null).map(routes),
      ...(machine.filters.cutShort || spent ? [cutShort] : []),
    ],
  }
}

/** Those on the way of what comes from outside, and of what forwards and others send on. */
function programsAmong({ programs, arrivals, ways }: Machine): Machine['programs'] {
  const devices = arrivals.flatMap((one) => one.devices.map(({ name }) => name))
  const met = new Set([...devices, ...Object.values(ways)])
  return programs.filter(({ device }) => met.has(device))
}

const refused = (table: string) =>
  `the kernel does not give the rules of ${table}, so nothing is called open for certain; see ${table.split(' ')[0]} -S`
const program = ({ words, device }: Machine['programs'][number]) =>
  `${words} of ${device} sees packets before and beside all rules, and cannot be read: what comes by it may be blocked, or go elsewhere`
const routes = (path: Machine['returns'][number]) =>
  `${rpFilterUnknown(path)}, cannot be told: whom it keeps out is not known`
const cutShort =
  'this machine has more rules than were followed: what the others block is shown as open and not read'
