/** Reading what may change, or may not be there, while it is read. */
import { EINTR, KernelError } from './netlink.ts'

const ENOENT = 2

/** No such table or set is an answer, not a failure. */
export function orEmpty<T>(read: () => T[]): T[] {
  try {
    return read()
  } catch (error) {
    if (error instanceof KernelError && error.errno === ENOENT) return []
    throw error
  }
}

/** A dump is torn when somebody commits meanwhile; the kernel says so, and it is read again. */
export function untorn<T>(read: () => T): T {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return read()
    } catch (error) {
      const torn = error instanceof KernelError && error.errno === EINTR
      if (!torn || attempt === 10) throw error
    }
  }
}
