/**
 * The kernel's forwarding switches: turned on when the first forward needs them, former values remembered and put back.
 * Source: Documentation/networking/ip-sysctl.rst.
 */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Family } from '../model/address.ts'
import { replaceFile } from './files.ts'

const switches = { 4: '/proc/sys/net/ipv4/ip_forward', 6: '/proc/sys/net/ipv6/conf/all/forwarding' } as const
const interfaces4 = '/proc/sys/net/ipv4/conf'
const interfaces6 = '/proc/sys/net/ipv6/conf'

/** Former values by path. Only what we changed is in it. */
type Former = Readonly<Record<string, string>>

export interface Forwarding {
  /** Remembers what turning these families on will change. Rules that depend on it can be loaded before `turnOn`. */
  prepare(families: readonly Family[]): void
  /** Turns forwarding on for these families. The same call twice writes nothing. */
  turnOn(families: readonly Family[]): void
  /** Has interfaces that came after forwarding was switched on by us go on to take router advertisements. */
  hearRouters(): undefined
  /** The families in which this machine did not forward before us. */
  switchedOn(): readonly Family[]
  /** Remembers that these were off before us, as what is in the kernel shows. */
  adopt(families: readonly Family[]): void
  /** Puts every former value back and forgets it. */
  restore(): void
}

/** Whether what comes by this interface may be sent on (ip_forward() asks the interface, ip6_forward() the machine). */
export function forwardsFrom(family: Family, name: string): boolean {
  return read(family === 4 ? join(interfaces4, name, 'forwarding') : switches[6]) !== '0'
}

/** How strictly what comes by this interface must have its way back there: 0 not, 1 by the same one, 2 by any (ip-sysctl.rst). */
export function reversePathOf(name: string): number {
  return Math.max(...['all', name].map((one) => Number(read(join(interfaces4, one, 'rp_filter')))))
}

/** Former values are kept in `directory`, durable before a switch is turned, so that a crash cannot lose them. */
export function openForwarding(directory: string): Forwarding {
  const path = join(directory, 'former-sysctl.json')

  const remember = (values: Former) => {
    const former = readFormer(path)
    const fresh = Object.entries(values).filter(([at]) => former[at] === undefined)
    if (fresh.length > 0) replaceFile(path, JSON.stringify({ ...former, ...Object.fromEntries(fresh) }))
  }
  const prepare = (families: readonly Family[]) => {
    for (const family of families) if (read(switches[family]) === '0') remember(valuesBefore(family))
  }

  const switchedOn = () => {
    const former = readFormer(path)
    return ([4, 6] as const).filter((family) => former[switches[family]] === '0')
  }
  // Forwarding makes the kernel ignore router advertisements and drop their routes, unless accept_ra is 2.
  const hearRouters = (): undefined => {
    const heard = routersHeard()
    if (heard.length === 0 || !switchedOn().includes(6)) return
    remember(Object.fromEntries(heard.map((at) => [at, '1'])))
    for (const at of heard) writeIfThere(at, '2')
  }

  return {
    prepare,
    turnOn(families) {
      prepare(families)
      if (families.includes(6)) hearRouters()
      for (const family of families) {
        if (read(switches[family]) === '0') writeFileSync(switches[family], '1')
      }
    },
    hearRouters,
    switchedOn,
    adopt(families) {
      for (const family of families) remember({ [switches[family]]: '0' })
    },
    restore() {
      const former = Object.entries(readFormer(path))
      // The switches first: turning one writes the values beside it (inet_forward_change in net/ipv4/devinet.c).
      const isSwitch = ([at]: readonly [string, string]) => at === switches[4] || at === switches[6]
      for (const [at, value] of former.filter(isSwitch)) writeIfThere(at, value)
      for (const [at, value] of former.filter((entry) => !isSwitch(entry))) writeIfThere(at, value)
      rmSync(path, { force: true })
    },
  }
}

/** The switch of a family, and everything that turning it changes beside. */
function valuesBefore(family: Family): Former {
  const base = family === 4 ? interfaces4 : interfaces6
  const perInterface = safeList(base)
    .filter((name) => name !== 'all')
    .map((name) => `${base}/${name}/forwarding`)
  const beside = family === 4 ? [`${interfaces4}/all/accept_redirects`] : routersHeard()
  const paths = [switches[family], ...perInterface, ...beside]
  return Object.fromEntries(paths.map((at) => [at, read(at)]))
}

/** An unreadable record is not "nothing was changed": the shield rests on it. */
function readFormer(path: string): Former {
  if (!existsSync(path)) return {}
  return JSON.parse(readFileSync(path, 'utf8')) as Former
}

/** The value, or '' when the kernel has no such switch. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    return ''
  }
}

/** An interface may have gone since. */
function writeIfThere(path: string, value: string): void {
  if (read(path) !== '') writeFileSync(path, value)
}

/** accept_ra of the interfaces that take router advertisements now, and of those to come (`default`). */
function routersHeard(): string[] {
  const names = safeList(interfaces6).filter((name) => name !== 'all' && name !== 'lo')
  return names.map((name) => `${interfaces6}/${name}/accept_ra`).filter((path) => read(path) === '1')
}

function safeList(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch {
    return []
  }
}
