/** A network namespace for one test file alone: its tables, flows and sysctls go with the process. */
import { spawnSync } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import koffi from 'koffi'

const CLONE_NEWNET = 0x40000000
const libc = koffi.load('libc.so.6')
const unshare = libc.func('int unshare(int flags)')
const setns = libc.func('int setns(int fd, int kind)')

/** Takes this thread, and every thread and process that it starts from now on, into a new network with a loopback. */
export function enterNewNetwork(): void {
  if (unshare(CLONE_NEWNET) !== 0) throw new Error('a new network namespace needs root: unshare -Urn')
  run('ip', 'link', 'set', 'lo', 'up')
}

/** Adds two interfaces that are the ends of one cable. */
export function addLinks(one: string, other: string): void {
  run('ip', 'link', 'add', one, 'type', 'veth', 'peer', 'name', other)
  for (const name of [one, other]) run('ip', 'link', 'set', name, 'up')
}

/** Runs a program to its end and gives what it printed. */
export function run(program: string, ...words: string[]): string {
  const { status, stdout, stderr } = spawnSync(program, words, { encoding: 'utf8', timeout: 20_000 })
  if (status !== 0) throw new Error(`${program} ${words.join(' ')}: ${stderr}`)
  return stdout
}

/** Takes this thread into a network that has a name (`ip netns`); gives the way back. */
export function enterNetwork(name: string): () => void {
  const [before, named] = [openSync('/proc/thread-self/ns/net', 'r'), openSync(`/run/netns/${name}`, 'r')]
  const enter = (fd: number) => {
    if (setns(fd, CLONE_NEWNET) !== 0) throw new Error(`the network ${name} cannot be entered`)
    closeSync(fd)
  }
  enter(named)
  return () => enter(before)
}
