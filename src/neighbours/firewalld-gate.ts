/**
 * Services opened here, as rich rules of firewalld, in the running configuration and in the permanent one, without a
 * reload: that would drop what the operator has set for now only. (A policy of our own from ANY to HOST, which no zone
 * would matter for, is known to firewalld after a reload only.)
 *
 * A rich rule has no comment. Ours are told by their priority, which says at the same time what they should be: with a
 * positive one a rule is asked after all others of its zone (firewalld.richlanguage(5)), so that what the operator rejects
 * there stays rejected. They stand in each zone that decides by interface, wherever the packets come in, and in the zones
 * of sources, but not in those which are there to keep their sources out.
 */
import { readdirSync } from 'node:fs'
import { runProgram } from '../kernel/run.ts'
import { printPrefix } from '../model/address.ts'
import type { Allowance, Unadmitted } from '../model/allowance.ts'
import { readText } from './reading.ts'

/** 0x2db0, the beginning of the mark that connections of forwards have by default. */
const priority = 11696
const signature = `priority="${priority}"`
const zoneFiles = '/etc/firewalld/zones'

export interface Zone {
  readonly name: string
  readonly target: string
  readonly interfaces: readonly string[]
  readonly sources: readonly string[]
  /** As firewalld prints them. */
  readonly rules: readonly string[]
}

/** What `--list-all-zones` prints. */
export function readZones(text: string): readonly Zone[] {
  return text.split('\n\n').flatMap((part) => {
    const name = /^\n*(\S+)/.exec(part)?.[1]
    if (name === undefined) return []
    const listed = (what: string) => new RegExp(`^  ${what}: ?(.*)$`, 'm').exec(part)?.[1] ?? ''
    return [
      {
        name,
        target: listed('target'),
        interfaces: words(listed('interfaces')),
        sources: words(listed('sources')),
        rules: [...part.matchAll(/^\s+(rule .*)$/gm)].map(([, rule = '']) => rule.trim()),
      },
    ]
  })
}

const words = (text: string) => text.split(' ').filter((word) => word !== '')

interface Wanted {
  /** The rules that each zone should have; of one that is not here, none. */
  readonly rules: ReadonlyMap<string, readonly string[]>
  readonly unadmitted: readonly Unadmitted[]
}

/** Pure. `zones` are those of the running configuration. */
export function wantedRules(zones: readonly Zone[], standard: string, wanted: readonly Allowance[]): Wanted {
  const deciding = zones.filter((zone) => zone.target !== 'ACCEPT' && decides(zone, standard))
  const unadmitted = new Map<string, Unadmitted>()
  const rules = new Map<string, readonly string[]>()
  for (const zone of deciding) {
    const told = wanted.filter((one) => one.interface === null || isFor(zone, one.interface, standard))
    rules.set(zone.name, told.map(richRule))
  }
  for (const { forward, interface: by } of wanted) {
    if (by === null || deciding.some((zone) => isFor(zone, by, standard))) continue
    const why = `its rules do not know interfaces, so ${by} needs a zone for itself that is not the default zone`
    unadmitted.set(forward, { forward, why })
  }
  return { rules, unadmitted: [...unadmitted.values()] }
}

/** Whether packets are judged by this zone: some by its interfaces or sources, what is in no other by the default zone. */
function decides({ name, target, interfaces, sources }: Zone, standard: string): boolean {
  if (interfaces.length > 0 || name === standard) return true
  return sources.length > 0 && target !== 'DROP' && target !== '%%REJECT%%'
}

function isFor({ name, interfaces, sources }: Zone, by: string, standard: string): boolean {
  return name !== standard && sources.length === 0 && interfaces.join() === by
}

/** As firewalld prints it, so that the same text tells whether it is there. */
function richRule({ protocol, ports: { first, last }, source, to }: Allowance): string {
  return [
    `rule ${signature} family="ipv${source.family}"`,
    ...(source.length === 0 ? [] : [`source address="${printPrefix(source)}"`]),
    ...(to === null ? [] : [`destination address="${to.text}"`]),
    `port port="${first === last ? first : `${first}-${last}`}" protocol="${protocol}" accept`,
  ].join(' ')
}

/** Nothing is run where nothing is wanted and no file has a rule of ours. */
export async function admitInFirewalld(wanted: readonly Allowance[]): Promise<readonly Unadmitted[]> {
  if (wanted.length === 0 && !isKept()) return []
  const standard = (await mustRun(['--get-default-zone'])).trim()
  const running = readZones(await mustRun(['--list-all-zones']))
  const permanent = readZones(await mustRun(['--permanent', '--list-all-zones']))
  const { rules, unadmitted } = wantedRules(running, standard, wanted)
  // What is in force is never without its permanent copy: that is how it is found when nobody remembers it.
  for (const zone of running) await change(zone, rules, 'remove', [])
  for (const zone of permanent) await change(zone, rules, 'remove', ['--permanent'])
  for (const zone of permanent) await change(zone, rules, 'add', ['--permanent'])
  for (const zone of running) await change(zone, rules, 'add', [])
  return unadmitted
}

async function change(
  zone: Zone,
  rules: Wanted['rules'],
  verb: 'add' | 'remove',
  scope: readonly string[],
): Promise<void> {
  const ours = zone.rules.filter((rule) => rule.includes(signature))
  const wanted = rules.get(zone.name) ?? []
  const [from, without] = verb === 'add' ? [wanted, ours] : [ours, wanted]
  const some = from.filter((rule) => !without.includes(rule))
  if (some.length === 0) return
  await mustRun([...scope, `--zone=${zone.name}`, ...some.map((rule) => `--${verb}-rich-rule=${rule}`)])
}

function isKept(): boolean {
  return filesIn(zoneFiles).some((path) => readText(path)?.includes(signature))
}

function filesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory)
      .filter((name) => name.endsWith('.xml'))
      .map((name) => `${directory}/${name}`)
  } catch {
    return []
  }
}

async function mustRun(args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await runProgram('firewall-cmd', args)
  if (code === 0) return stdout
  throw new Error(
    `firewall-cmd ${args.join(' ')}: ${(stderr || stdout).trim().split('\n')[0] || `exit ${code}`}`,
  )
}
