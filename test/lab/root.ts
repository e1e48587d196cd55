/** What a test may do depends on whose machine it is. */
import { readFileSync } from 'node:fs'

/** Root of the machine, not of a user namespace. */
export const isRoot = /^\s*0\s+0\s+4294967295\s*$/.test(readFileSync('/proc/self/uid_map', 'utf8'))

/**
 * Nobody else to become: an ordinary user's tests run in a user namespace of that one user, as its root. There the kernel
 * refuses another user and supplementary groups.
 */
export const alone = /^\s*0\s+\d+\s+1\s*$/.test(readFileSync('/proc/self/uid_map', 'utf8'))
