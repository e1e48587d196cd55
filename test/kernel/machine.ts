/** Everything that an agent touches, for an agent in this process. */

import { Banning } from '../../src/agent/banning.ts'
import { Beside } from '../../src/agent/beside.ts'
import { openBootFile } from '../../src/agent/boot.ts'
import { Containing } from '../../src/agent/containing.ts'
import { machineClock } from '../../src/agent/health/checking.ts'
import { checker } from '../../src/agent/health/checks.ts'
import { openRecollection } from '../../src/agent/health/recollection.ts'
import { Watching } from '../../src/agent/health/watching.ts'
import { proxyKeeperAt } from '../../src/agent/keeping.ts'
import type { Machine } from '../../src/agent/machine.ts'
import { Proxying } from '../../src/agent/proxying.ts'
import { openRecord } from '../../src/agent/record.ts'
import { Tracing } from '../../src/agent/tracing.ts'
import { openWitness } from '../../src/agent/witness.ts'
import type { Door } from '../../src/kernel/door.ts'
import { openForwarding } from '../../src/kernel/forwarding.ts'
import { readHost } from '../../src/kernel/host.ts'

export function machineOf(door: Door, directory: string): Machine {
  return {
    door,
    forwarding: openForwarding(directory),
    record: openRecord(directory),
    boot: openBootFile(directory),
    witness: openWitness(directory),
    beside: new Beside(door, []),
    bans: new Banning(door),
    containing: new Containing(() => undefined),
    watching: new Watching(checker(readHost), machineClock(), openRecollection(directory)),
    proxying: new Proxying(
      directory,
      proxyKeeperAt(`${directory}/keeper.sock`, () => {}),
    ),
    tracing: new Tracing({ door, readHost }),
    readHost,
  }
}
