/** Files that must be whole after a crash. */
import { closeSync, fchmodSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { reach, writeThrough } from '../faults.ts'

/** Replaces a file by rename(2), durable when it returns: the old text or the new one, never a part. */
export function replaceFile(path: string, text: string, mode = 0o600): void {
  // A name that nobody else would take, as the directory may be another program's.
  const beside = `${path}.drawbridge-new`
  rmSync(beside, { force: true })
  const file = openSync(beside, 'wx', 0o600)
  try {
    fchmodSync(file, mode)
    writeThrough('file-torn', file, text)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  reach('file-renaming')
  renameSync(beside, path)
  reach('file-renamed')
  const directory = openSync(dirname(path), 'r')
  fsyncSync(directory)
  closeSync(directory)
}
