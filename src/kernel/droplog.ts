/** Lines of the kernel's log about dropped packets (nf_log_syslog), where syslog keeps it in files; the journal is not read. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'

const logs = ['/var/log/ufw.log', '/var/log/kern.log'] as const
/** Of a log the end is read: so much holds the last minutes of any machine but one under attack. */
const mostBytes = 64 * 1024
const lately = 10 * 60_000

/** Those of the last ten minutes, the newest last. */
export function readDropLines(now: number, paths: readonly string[] = logs): readonly string[] {
  return paths.flatMap((path) =>
    endOf(path)
      .split('\n')
      .filter((line) => /\bSRC=\S+ DST=\S+ .*PROTO=/.test(line) && isLate(line, now)),
  )
}

function endOf(path: string): string {
  let fd: number
  try {
    fd = openSync(path, 'r')
  } catch {
    return ''
  }
  try {
    const { size } = fstatSync(fd)
    const bytes = Buffer.alloc(Math.min(size, mostBytes))
    const read = readSync(fd, bytes, 0, bytes.length, size - bytes.length)
    return bytes.toString('utf8', 0, read)
  } catch {
    return ''
  } finally {
    closeSync(fd)
  }
}

/** `2026-11-24T12:00:00.123456+00:00 host kernel: …`, or `Nov 24 12:00:00 host kernel: …` in local time without a year (RFC 3164). */
function isLate(line: string, now: number): boolean {
  const [, old] = /^([A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2}) /.exec(line) ?? []
  const text = old === undefined ? line.split(' ')[0] : `${old} ${new Date(now).getFullYear()}`
  const at = Date.parse(text ?? '')
  return at <= now && now - at <= lately
}
