/** Carries one probe out, and takes everything away that it needed. */
import type { Probe } from '../../model/trace/step.ts'
import type { Door } from '../door.ts'
import { NETLINK_ROUTE, type Netlink, openNetlink } from '../netlink.ts'
import { isIngress } from '../ruleset.ts'
import { openProbeDevice, type ProbeDevice } from './device.ts'
import { exchange, type Manner, type Told } from './exchange.ts'
import { openHearing } from './hearing.ts'
import { tableOf } from './table.ts'

interface Probed extends Told {
  /** Resolves when nothing of the probe is left. */
  readonly gone: Promise<void>
}

export type Prober = (probe: Probe, manner: Manner) => Promise<Probed>

const bufferBytes = 64 * 1024

/** One probe at a time. Throws what the kernel says where it has no TUN, u32 or mirred, or does not let us. */
export function openProber(door: Door): Prober {
  let routes: Netlink | undefined
  let before: Promise<void> = Promise.resolve()
  return async (probe, manner) => {
    await before
    routes ??= openNetlink(bufferBytes, NETLINK_ROUTE)
    let began = performance.now()
    const hearing = openHearing(() => began)
    let device: ProbeDevice | undefined
    const letGo = async () => {
      hearing.close()
      await door.letGoProbe()
      await device?.close()
    }
    try {
      device = openProbeDevice(routes, probe.by)
      await door.ownProbe(tableOf(probe, (await door.chains()).some(isIngress)))
      began = performance.now()
      const told = await exchange(device, hearing, probe, manner)
      await door.endProbe(probe)
      const gone = letGo()
      before = gone.catch(() => {})
      return { ...told, gone }
    } catch (error) {
      await letGo()
      throw error
    }
  }
}
