/**
 * The kernel's forwarding switches: turned on when the first forward needs them, former values remembered and put back.
 * Source: Documentation/networking/ip-sysctl.rst.
 */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Family } from '../model/address.ts'
import { replaceFile } from './files.ts'

const switches = { 4: '/proc/sys/net/ipv4/ip_forward', 6: '/proc/sys/net/ipv6/conf/all/forwarding' } as const
const interfaces6 = '/proc/sys/net/ipv6/conf'

/** Former values by path. Only what we changed is in it. */
type Former = Readonly<Record<string, string>>

export interface Forwarding {
  /** Remembers what turning these families on will change. Rules that depend on it can be loaded before `turnOn`. */
  prepare(families: readonly Family[]): void
  /** Turns forwarding on for these families. The same call twice writes nothing. */
  turnOn(families: readonly Family[]): void
  /** The families in which this machine did not forward before us. */
  switchedOn(): readonly Family[]
  /** Puts every former value back and forgets it. */
  restore(): void
}

/** Former values are kept in `directory`, durable before a switch is turned, so that a crash cannot lose them. */
export function openForwarding(directory: string): Forwarding {
  const path = join(directory, 'former-sysctl.json')

  const prepare = (families: readonly Family[]) => {
    const former = readFormer(path)
    const changing = families.flatMap(changesFor).filter(([at]) => former[at] === undefined)
    if (changing.length === 0) return
    const remembered = Object.fromEntries(changing.map(([at]) => [at, read(at)]))
    replaceFile(path, JSON.stringify({ ...former, ...remembered }))
  }

  return {
    prepare,
    turnOn(families) {
      prepare(families)
      for (const [at, value] of families.flatMap(changesFor)) writeFileSync(at, value)
    },
    switchedOn() {
      const former = readFormer(path)
      return ([4, 6] as const).filter((family) => former[switches[family]] === '0')
    },
    restore() {
      for (const [at, value] of Object.entries(readFormer(path))) writeIfThere(at, value)
      rmSync(path, { force: true })
    },
  }
}

/** What is to be written for a family, in order; nothing when it forwards already. */
function changesFor(family: Family): (readonly [path: string, value: string])[] {
  if (read(switches[family]) !== '0') return []
  // Forwarding makes the kernel ignore router advertisements and drop their routes, unless accept_ra is 2.
  const routers = family === 6 ? routersHeard().map((at) => [at, '2'] as const) : []
  return [...routers, [switches[family], '1']]
}

function readFormer(path: string): Former {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Former
  } catch {
    return {}
  }
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

/** accept_ra of the interfaces that take router advertisements now. */
function routersHeard(): string[] {
  const names = safeList(interfaces6).filter((name) => name !== 'all' && name !== 'default' && name !== 'lo')
  return names.map((name) => `${interfaces6}/${name}/accept_ra`).filter((path) => read(path) === '1')
}

function safeList(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch {
    return []
  }
}
