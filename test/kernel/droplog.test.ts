/** Lines about dropped packets, as syslog keeps them, of the last minutes alone. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { readDropLines } from '../../src/kernel/droplog.ts'

const packet =
  'IN=out0 OUT= MAC= SRC=203.0.113.2 DST=203.0.113.1 LEN=60 TTL=63 PROTO=TCP SPT=40000 DPT=8080 SYN'
const now = new Date(2026, 10, 24, 12, 0, 0)
const pad = (number: number) => String(number).padStart(2, '0')
const old = (minutes: number, day = 24) => {
  const at = new Date(now.getTime() - minutes * 60_000)
  return `Nov ${day} ${pad(at.getHours())}:${pad(at.getMinutes())}:${pad(at.getSeconds())} host kernel: [1.5] [UFW BLOCK] ${packet}`
}
const fresh = (minutes: number) =>
  `${new Date(now.getTime() - minutes * 60_000).toISOString()} host kernel: hand: ${packet}`

function fileOf(lines: readonly string[]): string {
  const directory = mkdtempSync(join(tmpdir(), 'drawbridge-log-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  const path = join(directory, 'kern.log')
  writeFileSync(path, `${lines.join('\n')}\n`)
  return path
}

test('of both kinds of time, none that is older than ten minutes, of another day or to come', () => {
  const kept = [old(9), fresh(1), old(0)]
  const others = [
    old(11),
    fresh(20),
    old(1, 23),
    fresh(-5),
    `${old(1).split(' [1.5]')[0]} usb 1-1: new device`,
  ]
  const path = fileOf([...others, ...kept])
  expect(readDropLines(now.getTime(), [path, '/nowhere'])).toEqual(kept)
})

test('of a large file the end is read', () => {
  const path = fileOf([...Array.from({ length: 5000 }, () => fresh(2)), old(0)])
  const read = readDropLines(now.getTime(), [path])
  expect(read.length).toBeLessThan(1000)
  expect(read.at(-1)).toBe(old(0))
})
