/** Reading what may change, or may not be there, while it is read. */
import { EINTR, KernelError, type Netlink } from './netlink.ts'

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

const attempts = 5

/**
 * A dump is torn when anybody commits anything meanwhile, whatever it is about; the kernel says so, and it is read again.
 * Among programs that never stop (a list of bans that is loaded one by one) every dump is torn. Then the last one counts:
 * what has been committed is reported by the watcher, and whatever it concerns is looked at again.
 */
export function untorn<T>(netlink: Netlink, read: (netlink: Netlink) => T): T {
  for (let attempt = 1; attempt < attempts; attempt += 1) {
    try {
      return read(netlink)
    } catch (error) {
      if (!(error instanceof KernelError && error.errno === EINTR)) throw error
    }
  }
  return read({ ...netlink, request: (message, doing) => netlink.request(message, doing, 'torn too') })
}
