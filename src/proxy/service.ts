/** One proxy for as long as it is wanted: checked, started, told of changes, and started again when it ends by itself. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { adoptProgram, hasSession, type Living, signalProgram, startProgram } from '../kernel/child.ts'
import { runProgram } from '../kernel/run.ts'
import type { Kind } from './kinds.ts'
import type { ProxyAnswerOf, ProxyMessage, ProxyState } from './protocol.ts'

type Wanted = ProxyMessage & { readonly verb: 'run' }
type Outcome = ProxyAnswerOf['run']

/** A configuration of thousands of forwards takes seconds to be read. */
const patience = 20_000
/** So long it may take to end at once. */
const farewell = 2000
const shortestPause = 100
const longestPause = 5000

export class Service {
  readonly #kind: Kind
  readonly #directory: string
  #living: Living | undefined
  #wanted = false
  #stamp = ''
  #died = { why: '', at: '', count: 0 }

  constructor(kind: Kind, directory: string) {
    this.#kind = kind
    this.#directory = directory
    mkdirSync(this.#at('files'), { recursive: true, mode: 0o700 })
  }

  get state(): ProxyState {
    const { why, at, count } = this.#died
    const running = this.#living !== undefined
    const stamp = running ? this.#stamp : ''
    return { proxy: this.#kind.name, running, stamp, died: why, diedAt: at, deaths: count }
  }

  /** Takes over one that an earlier keeper has started, if it lives. */
  async adopt(): Promise<void> {
    const pid = Number(readOr(this.#at('pid'), '0'))
    if (pid <= 0) return
    const living = adoptProgram(pid, [this.#kind.name, this.#at('cfg')])
    if (!living) {
      // Workers of nginx go on without their master, which nobody can tell anything then; they keep who is connected.
      if (hasSession(pid, this.#kind.name)) signalProgram(-pid, this.#kind.softStop)
      return
    }
    this.#wanted = true
    this.#stamp = await this.#kind.stamp(this.#directory)
    this.#watch(living)
  }

  /** Resolves when it serves with this configuration, or when it is clear that it does not; then the former one goes on. */
  async run({ stamp, text, files }: Wanted): Promise<Outcome> {
    this.#writeFiles(files)
    if (this.#living && stamp === this.#stamp && text === readOr(this.#at('cfg'), '')) return running
    writeFileSync(this.#at('new'), text, { mode: 0o600 })
    const checked = await this.#check(this.#at('new'))
    if (checked) return checked
    const before = readOr(this.#at('cfg'), '')
    renameSync(this.#at('new'), this.#at('cfg'))
    this.#wanted = true
    if (this.#living) {
      truncate(this.#at('log'))
      signalProgram(this.#living.pid, this.#kind.reload)
    } else this.#start()
    if (await this.#serves(stamp)) {
      this.#stamp = stamp
      this.#removeOld(files)
      return running
    }
    // At its next start it is to have what it runs with.
    if (before !== '') writeFileSync(this.#at('cfg'), before, { mode: 0o600 })
    return { outcome: 'refused', words: lastWords(this.#at('log')) }
  }

  /** What is said over its runtime API is also what it has to start with next time. */
  keep(text: string): void {
    writeFileSync(this.#at('new'), text, { mode: 0o600 })
    renameSync(this.#at('new'), this.#at('cfg'))
  }

  /** `now` ends its connections as well, those of former workers among them, and resolves when that is done. */
  async stop(now: boolean): Promise<void> {
    const living = this.#living
    const pid = Number(readOr(this.#at('pid'), '0'))
    this.#wanted = false
    if (living && !now) signalProgram(living.pid, this.#kind.softStop)
    if (now && pid > 0 && hasSession(pid, this.#kind.name)) signalProgram(-pid, 'SIGTERM')
    if (living && now) await Promise.race([living.ended, sleep(farewell)])
    rmSync(this.#at('pid'), { force: true })
    // Keys lie nowhere but where they are needed.
    this.#removeOld([])
    this.#living = undefined
    this.#stamp = ''
  }

  async #check(file: string): Promise<Outcome | undefined> {
    const { code, stderr, stdout } = await runProgram(
      this.#kind.program,
      this.#kind.check(file, this.#directory),
    )
    if (code === 0) return undefined
    const words = worst(stderr + stdout)
    return { outcome: /ENOENT/.test(words) ? 'missing' : 'refused', words }
  }

  #start(): void {
    for (const socket of this.#kind.sockets(this.#directory)) rmSync(socket, { force: true })
    truncate(this.#at('log'))
    this.#stamp = stampIn(readOr(this.#at('cfg'), ''))
    const args = this.#kind.start(this.#at('cfg'), this.#directory)
    const living = startProgram(this.#kind.program, args, this.#at('log'))
    if (!living) return
    writeFileSync(this.#at('pid'), `${living.pid}\n`, { mode: 0o600 })
    this.#watch(living)
  }

  #watch(living: Living): void {
    this.#living = living
    const since = Date.now()
    void living.ended.then((how) => this.#hasEnded(living, how, Date.now() - since))
  }

  async #hasEnded(living: Living, how: string, lived: number): Promise<void> {
    if (this.#living !== living) return
    this.#living = undefined
    if (!this.#wanted) return
    const words = lastWords(this.#at('log'))
    const why = words === '' ? how : `${how}: ${words}`
    this.#died = { why, at: new Date().toISOString(), count: this.#died.count + 1 }
    process.stderr.write(`drawbridge: ${this.#kind.name} ended (${why}) and is started again\n`)
    // Its workers may live on, and hold the ports; those who are connected to them are not disturbed.
    signalProgram(-living.pid, this.#kind.softStop)
    await sleep(
      lived > longestPause ? shortestPause : Math.min(longestPause, shortestPause * 2 ** this.#died.count),
    )
    if (this.#wanted && !this.#living) this.#start()
  }

  /** Whether it answers with this stamp before it is said to have failed. */
  async #serves(stamp: string): Promise<boolean> {
    const { pid } = this.#living ?? {}
    for (const end = Date.now() + patience; Date.now() < end; await sleep(20)) {
      if ((await this.#kind.stamp(this.#directory)) === stamp) return true
      if (this.#living?.pid !== pid || failed.test(saidIn(this.#at('log')))) return false
    }
    return false
  }

  #writeFiles(files: Wanted['files']): void {
    for (const { name, text } of files) {
      const path = join(this.#at('files'), name)
      if (readOr(path, '') !== text) writeFileSync(path, text, { mode: 0o600 })
    }
  }

  #removeOld(files: Wanted['files']): void {
    const kept = new Set(files.map(({ name }) => name))
    for (const name of readdirSync(this.#at('files')))
      if (!kept.has(name)) rmSync(join(this.#at('files'), name), { force: true })
  }

  #at(what: 'cfg' | 'new' | 'pid' | 'log' | 'files'): string {
    return join(this.#directory, `${this.#kind.name}.${what}`)
  }
}

const running: Outcome = { outcome: 'running', words: '' }

function stampIn(text: string): string {
  return /drawbridge-([0-9a-f]{16})/.exec(text)?.[1] ?? ''
}

/** What HAProxy's master, and nginx's, say of a configuration that they cannot take up. */
const failed = /Loading failure|\[emerg\]/

function truncate(path: string): void {
  if (existsSync(path)) truncateSync(path)
}

function readOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return otherwise
  }
}

/** That it cannot name the groups of root in a user namespace does not keep nginx from anything. */
function saidIn(log: string): string {
  return readOr(log, '').replace(/^.* initgroups\(.*\n/gm, '')
}

/** The line that says most, on one line of ordinary length. */
function worst(output: string): string {
  const lines = output.split('\n').filter((line) => line.trim() !== '')
  const line = lines.find((one) => /\[(ALERT|emerg)\]/.test(one)) ?? lines[0] ?? ''
  return line
    .replace(/\[ALERT\]\s*\(\d+\)\s*:\s*/, '')
    .replace(/^nginx: /, '')
    .slice(0, 300)
}

function lastWords(log: string): string {
  const said = saidIn(log)
  return /\[(ALERT|emerg)\]/.test(said) ? worst(said) : ''
}
