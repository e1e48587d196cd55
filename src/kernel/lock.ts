/** A lock that one process has, and that goes with it however it ends: flock(2). */
import { openSync } from 'node:fs'
import koffi from 'koffi'

const libc = koffi.load('libc.so.6')
const flock = libc.func('int flock(int fd, int operation)')
const LOCK_EX_NB = 2 | 4

/** Takes the lock for as long as this process lives; false when another one has it. Also seen from other namespaces. */
export function holdLock(path: string): boolean {
  return flock(openSync(path, 'a', 0o600), LOCK_EX_NB) === 0
}
