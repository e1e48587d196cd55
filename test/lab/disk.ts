/** Disks that are full or cannot be written, for real: root passes permission bits, but no mount. */
import { execFileSync } from 'node:child_process'
import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** Puts a small file system over a directory, in the private view of mounts in which tests run. */
export function mountSmall(directory: string, size: string): void {
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=0755`, 'tmpfs', directory])
}

/**
 * The same place becomes read-only, as after an error of the disk; who has just ended may still hold a file of it open. By
 * `bind` only the view of it changes: the flags of the file system itself are not for a user namespace to set.
 */
export async function makeReadOnly(directory: string): Promise<void> {
  for (let tries = 0; ; tries += 1) {
    try {
      execFileSync('mount', ['-o', 'remount,bind,ro', directory], { stdio: 'pipe' })
      return
    } catch (error) {
      if (tries === 50) throw error
      await sleep(100)
    }
  }
}

export function unmount(directory: string): void {
  execFileSync('umount', ['-l', directory])
}

/** Takes all room there is, as the file `filler`. */
export function fill(directory: string): void {
  const piece = Buffer.alloc(4096, 1)
  try {
    for (;;) appendFileSync(join(directory, 'filler'), piece)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
  }
}
