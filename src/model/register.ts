/** All forwards of a gateway together, and the rules between them. A change is checked whole before any of it holds. */
import { isDeepStrictEqual } from 'node:util'
import { refuseChain, Targeting } from './chain.ts'
import { nearest } from './document.ts'
import { type Forward, printForward } from './forward.ts'
import { defaultSettings, type Settings, type Written } from './gateway.ts'
import { printRate } from './limits.ts'
import { printListen } from './listen.ts'
import { Openings } from './openings.ts'
import { countPorts } from './ports.ts'
import { Problem, shown } from './problem.ts'
import { openingShared } from './sharing.ts'
import type { List } from './sources.ts'

/** What a command wants different. A forward in `put` replaces the one of its name. */
export interface Change {
  readonly put: readonly Forward[]
  readonly remove: readonly string[]
  readonly putLists: readonly List[]
  readonly removeLists: readonly string[]
  readonly settings: Settings | null
}

export const noChange: Change = { put: [], remove: [], putLists: [], removeLists: [], settings: null }

/** Facts that the rules between forwards rest on and that a request brings with it. */
export interface Circumstances {
  /** The operator said that ports below 1024 are meant. */
  readonly privileged: boolean
  /** The addresses that this machine is known to have, beside those that forwards listen on. */
  readonly ours: ReadonlySet<string>
}

/**
 * The circumstances of what was accepted before: the operator's word was given then, and addresses that the machine has
 * got since must not make it invalid.
 */
export const asKept: Circumstances = { privileged: true, ours: new Set() }

/** Each distinct limit is one rule in the kernel that a new connection may have to walk past. */
const mostDistinctLimits = 64

/** Proxies take forwards up at ports of this machine, of which so many are theirs (compile/entrances.ts). */
const mostProxiedPorts = 4000

export class Register {
  readonly #forwards = new Map<string, Forward>()
  readonly #lists = new Map<string, List>()
  readonly #openings = new Openings()
  readonly #targeting = new Targeting()
  /** How many forwards have each limit. */
  readonly #limits = { new_per_source: new Map<string, number>(), open_per_source: new Map<string, number>() }
  /** How many forwards go through a proxy by each of so many ports. */
  readonly #proxied = new Map<string, number>()
  #settings: Settings = defaultSettings

  get settings(): Settings {
    return this.#settings
  }

  get forwards(): ReadonlyMap<string, Forward> {
    return this.#forwards
  }

  get lists(): ReadonlyMap<string, List> {
    return this.#lists
  }

  get openings(): Openings {
    return this.#openings
  }

  /** The forwards with this target: an address, or what stands for addresses, as it is written. */
  sendingTo(destination: string): Iterable<Forward> {
    return this.#targeting.to(destination)
  }

  /** The forward of this name; a problem that names the nearest one when there is none. */
  named(name: string): Forward {
    const forward = this.#forwards.get(name)
    if (forward) return forward
    const near = nearest(name, [...this.#forwards.keys()].slice(0, 1000))
    throw Problem.of('no-such-forward', { name: shown(name), nearest: near })
  }

  /** The part of `change` that differs from what holds. */
  reduce(change: Change): Change {
    const differs = (forward: Forward) => !isDeepStrictEqual(this.#forwards.get(forward.name), forward)
    const listDiffers = (list: List) => !isDeepStrictEqual(this.#lists.get(list.name), list)
    const settings = change.settings
    return {
      put: change.put.filter(differs),
      remove: change.remove.filter((name) => this.#forwards.has(name)),
      putLists: change.putLists.filter(listDiffers),
      removeLists: change.removeLists.filter((name) => this.#lists.has(name)),
      settings: settings && !isDeepStrictEqual(settings, this.#settings) ? settings : null,
    }
  }

  /** Throws the first problem that `change` would make; holds nothing of it. */
  check(change: Change, circumstances: Circumstances): void {
    const undo = this.#hold(change, circumstances)
    undo()
  }

  /** Makes `change` hold, whole or not at all; gives what takes it back. */
  apply(change: Change, circumstances: Circumstances): () => void {
    return this.#hold(change, circumstances)
  }

  #hold(change: Change, circumstances: Circumstances): () => void {
    const undo: (() => void)[] = []
    const revert = () => {
      for (const step of undo.reverse()) step()
    }
    try {
      this.#holdSettings(change, undo)
      for (const list of change.putLists) setKey(this.#lists, list.name, list, undo)
      for (const name of change.removeLists) setKey(this.#lists, name, undefined, undo)
      for (const name of [...change.remove, ...change.put.map((forward) => forward.name)])
        this.#drop(name, undo)
      for (const forward of change.put) this.#take(forward, circumstances, undo)
      for (const forward of change.put) this.#judge(forward, circumstances)
      if (change.removeLists.length > 0) this.#judgeLists()
      this.#judgeLimits()
    } catch (error) {
      revert()
      throw error
    }
    return revert
  }

  #holdSettings({ settings }: Change, undo: (() => void)[]): void {
    const before = this.#settings
    if (!settings) return
    this.#settings = settings
    undo.push(() => {
      this.#settings = before
    })
  }

  #drop(name: string, undo: (() => void)[]): void {
    const forward = this.#forwards.get(name)
    if (!forward) return
    this.#release(forward)
    undo.push(() => this.#occupy(forward))
  }

  #take(forward: Forward, circumstances: Circumstances, undo: (() => void)[]): void {
    const holder = this.#forwards.get(forward.name)
    if (holder) throw Problem.of('name-taken', { name: forward.name, listen: printListen(holder.listen) })
    refusePrivileged(forward, circumstances.privileged || this.#settings.privileged)
    this.#occupy(forward)
    undo.push(() => this.#release(forward))
  }

  #occupy(forward: Forward): void {
    this.#openings.add(forward)
    this.#targeting.add(forward)
    this.#forwards.set(forward.name, forward)
    this.#count(forward, 1)
  }

  #release(forward: Forward): void {
    this.#openings.remove(forward)
    this.#targeting.remove(forward)
    this.#forwards.delete(forward.name)
    this.#count(forward, -1)
  }

  #judge(forward: Forward, { ours }: Circumstances): void {
    refuseChain(forward, { openings: this.#openings, targeting: this.#targeting, ours })
    this.#judgeSources(forward)
  }

  #judgeSources({ sources }: Forward): void {
    if (sources === 'anywhere') return
    for (const source of sources) {
      if (source.kind === 'prefix' || this.#lists.has(source.name)) continue
      const known = [...this.#lists.keys()].slice(0, 10).join(', ') || 'none'
      throw Problem.of('unknown-list', { field: 'from', list: source.name, known })
    }
  }

  #judgeLists(): void {
    for (const forward of this.#forwards.values()) this.#judgeSources(forward)
  }

  #count(forward: Forward, by: 1 | -1): void {
    const { name, via, listen } = forward
    const { newPerSource, openPerSource } = forward.limits
    if (via && listen.kind === 'ports')
      add(this.#proxied, `${countPorts(listen.ports)} ${openingShared(forward) ?? name}`, by)
    const { new_per_source: rates, open_per_source: opens } = this.#limits
    if (newPerSource) add(rates, printRate(newPerSource), by)
    if (openPerSource) add(opens, String(openPerSource), by)
  }

  #judgeLimits(): void {
    for (const what of ['new_per_source', 'open_per_source'] as const) {
      if (this.#limits[what].size > mostDistinctLimits)
        throw Problem.of('too-many-limits', { what, most: mostDistinctLimits })
    }
    const proxied = [...this.#proxied.keys()].reduce((sum, key) => sum + Number.parseInt(key, 10), 0)
    if (proxied > mostProxiedPorts) throw Problem.of('too-many-proxied', { most: mostProxiedPorts })
  }
}

function add(counts: Map<string, number>, key: string, by: 1 | -1): void {
  const count = (counts.get(key) ?? 0) + by
  if (count === 0) counts.delete(key)
  else counts.set(key, count)
}

function setKey<V>(map: Map<string, V>, key: string, value: V | undefined, undo: (() => void)[]): void {
  const before = map.get(key)
  const put = (one: V | undefined) => (one === undefined ? map.delete(key) : map.set(key, one))
  put(value)
  undo.push(() => put(before))
}

function refusePrivileged(forward: Forward, allowed: boolean): void {
  if (allowed || forward.listen.kind === 'ping') return
  const first = forward.listen.ports[0]?.first ?? 65535
  if (first < 1024) throw Problem.of('privileged-port', { listen: printListen(forward.listen), port: first })
}

/** Everything of `written` as one change; with `prune`, what it does not name is removed. */
export function changeTo(register: Register, written: Written, prune: boolean): Change {
  const names = new Set(written.forwards.map(({ name }) => name))
  const lists = new Set(written.lists.map(({ name }) => name))
  return register.reduce({
    put: written.forwards,
    remove: prune ? [...register.forwards.keys()].filter((name) => !names.has(name)) : [],
    putLists: written.lists,
    removeLists: prune ? [...register.lists.keys()].filter((name) => !lists.has(name)) : [],
    settings: {
      ...(prune ? defaultSettings : register.settings),
      ...written.settings,
      locked: register.settings.locked,
    },
  })
}

/** The lists as they are when `change` holds. */
export function listsAfter(
  lists: ReadonlyMap<string, List>,
  { putLists, removeLists }: Change,
): ReadonlyMap<string, List> {
  const after = new Map([...lists, ...putLists.map((list) => [list.name, list] as const)])
  for (const name of removeLists) after.delete(name)
  return after
}

export function isEmpty(change: Change): boolean {
  const { put, remove, putLists, removeLists, settings } = change
  return put.length + remove.length + putLists.length + removeLists.length === 0 && settings === null
}

/** The same forward as another command would write it: used to say "already so". */
export function sameForward(a: Forward, b: Forward): boolean {
  return isDeepStrictEqual(printForward(a), printForward(b))
}
