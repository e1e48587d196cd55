/** Forwards numbered from 1 as the configuration of their proxy. */
import { Entrances } from '../../src/compile/entrances.ts'
import { certificateKey } from '../../src/compile/proxy/haproxy.ts'
import { passagesOf } from '../../src/compile/proxy/passages.ts'
import { type Course, type PlainFacts, turnTo } from '../../src/compile/proxy/turning.ts'
import { type Known, nothingKnown } from '../../src/model/endpoints.ts'
import type { Forward } from '../../src/model/forward.ts'
import type { ProxyName } from '../../src/model/via.ts'

const directory = '/run/drawbridge/proxy'

function factsFor(forwards: readonly Forward[]): PlainFacts {
  const files = forwards.flatMap(({ via }) => (via?.tls ? [certificateKey(via.tls)] : []))
  const certificates = new Map(files.map((key) => [key, `${directory}/app.pem`]))
  return { directory, socket: `${directory}/haproxy.sock`, root: false, families: [4, 6], certificates }
}

/** What it is to run with when it ran with `former`. */
export function turned(
  proxy: ProxyName,
  forwards: readonly Forward[],
  former?: Course,
  learned: Partial<Known> = {},
) {
  const entrances = new Entrances()
  const numbered = forwards.map((forward, index) => ({ number: index + 1, forward }))
  for (const { number, forward } of numbered) entrances.enter(forward, number)
  const known = { ...nothingKnown, entrances: entrances.entrances, ...learned }
  return turnTo(proxy, former, passagesOf(proxy, numbered, known), factsFor(forwards))
}

export function coursed(proxy: ProxyName, forwards: readonly Forward[]): Course {
  return turned(proxy, forwards).course
}
