/** The audit log of a running gateway: who did what from where, kept apart by the agent, and found out when it is changed. */
import { existsSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import type { AuditEntry } from '../../src/api/shapes.ts'
import { type Drawbridge, startDrawbridge } from '../lab/drawbridge.ts'
import { startLab } from '../lab/lab.ts'

const server = '10.0.0.5:80'
const asAda = {
  env: { SUDO_USER: 'ada', SUDO_UID: '1007', SSH_CONNECTION: '198.51.100.7 50022 203.0.113.2 22' },
}

async function entriesOf(drawbridge: Drawbridge, ...more: string[]): Promise<readonly AuditEntry[]> {
  const { stdout } = await drawbridge.cli(['audit', '-o', 'json', ...more])
  return JSON.parse(stdout) as AuditEntry[]
}

const seenFile = ({ state }: Drawbridge) => join(state, 'agent', 'audit.json')
const seenBy = (drawbridge: Drawbridge): number | undefined =>
  existsSync(seenFile(drawbridge)) ? JSON.parse(readFileSync(seenFile(drawbridge), 'utf8')).entry : undefined
const hasSeen = (drawbridge: Drawbridge, entry: number) =>
  expect.poll(() => seenBy(drawbridge), { timeout: 30_000 }).toBe(entry)

/** Stops Drawbridge, and writes to the database beside it. */
async function tamper(drawbridge: Drawbridge, ...statements: string[]): Promise<void> {
  await drawbridge.stop()
  const database = new DatabaseSync(join(drawbridge.state, 'store', 'drawbridge.db'))
  for (const statement of statements) database.exec(statement)
  database.close()
}

test('every command leaves an entry: who, from where, what, before and after, and why', async (t) => {
  const drawbridge = await startDrawbridge(await startLab(t))
  const does = async (...command: string[]) => {
    expect({ command, ...(await drawbridge.cli(command, asAda)) }).toMatchObject({ command, code: 0 })
  }
  await does('open', 'tcp/8080', server, '--name', 'web', '--note', 'for "all"')
  await does('disable', 'web', '--note', 'too many')
  await does('enable', 'web')
  await does('lockdown', '--note', 'an attack')
  await does('lockdown', '--lift')
  await does('rollback', '2', '--note', 'as it was', '--confirm', '60s')
  expect(await drawbridge.cli(['close', 'web', '--note', 'refused'], asAda)).toMatchObject({ code: 1 })
  await does('confirm')
  await does('close', 'web', '--note', 'gone')
  await does('audit', '--rotate', '3')
  await does('down')
  await drawbridge.start()
  await drawbridge.opens('tcp/8081', server)
  const entries = await entriesOf(drawbridge)
  expect(entries.map(({ entry, generation, command, note }) => [entry, generation, command, note])).toEqual([
    [1, 1, 'open', 'for "all"'],
    [2, 2, 'disable', 'too many'],
    [3, 3, 'enable', ''],
    [4, 4, 'lockdown', 'an attack'],
    [5, 5, 'lift', ''],
    [6, 6, 'rollback', 'as it was'],
    [7, 6, 'confirm', ''],
    [8, 7, 'close', 'gone'],
    [9, 7, 'rotate', ''],
    [10, 7, 'down', ''],
    [11, 8, 'open', ''],
  ])
  const ada = { actor: 'ada', uid: 1007, address: '198.51.100.7', how: 'cli' }
  for (const entry of entries.slice(0, 10)) expect(entry).toMatchObject(ada)
  const web = { name: 'web', listen: 'tcp/8080', to: server, note: 'for "all"' }
  expect(entries[1]?.forwards).toEqual({ web: { before: web, after: { ...web, enabled: false } } })
  expect(await entriesOf(drawbridge, '--since', '6')).toEqual(entries.slice(7))
  expect(await entriesOf(drawbridge, '--since', '1h')).toEqual(entries)
  expect(await entriesOf(drawbridge, '--until', '1h')).toEqual([])
  await hasSeen(drawbridge, 11)
  const { stdout, code } = await drawbridge.cli(['audit', '--verify', '-o', 'json'])
  expect([code, JSON.parse(stdout)]).toEqual([0, { entries: 11, missing: [], seen: 11 }])
})

/** The lines of the log in what was printed; `prefix` is what stands before each. */
function journalled(output: string, prefix = ''): readonly Record<string, unknown>[] {
  const lines = output.split('\n').filter((line) => line.includes('{"drawbridge":{"entry"'))
  return lines.map((line) => {
    expect(line.startsWith(`${prefix}{`)).toBe(true)
    return (JSON.parse(line.slice(prefix.length)) as { drawbridge: Record<string, unknown> }).drawbridge
  })
}

test('each entry is a line of JSON on standard output, and arrives whole in a syslog', async (t) => {
  const lab = await startLab(t)
  const drawbridge = await startDrawbridge(lab)
  await drawbridge.opens('tcp/8080', server, { note: 'Zoë’s "lab"' })
  await drawbridge.api.down(false)
  await expect.poll(() => journalled(drawbridge.output()).length, { timeout: 30_000 }).toBe(2)
  const printed = drawbridge.output()
  await drawbridge.start()
  const entries = await entriesOf(drawbridge)
  expect(journalled(printed)).toEqual(
    entries.map(({ forwards, lists, settings, ...deed }) => ({
      ...deed,
      change: { forwards, lists, settings },
      forwards: expect.objectContaining({ count: Object.keys(forwards).length }),
      lists: { count: 0, first: [] },
    })),
  )
  const [socket, log] = [join(drawbridge.state, 'log'), join(drawbridge.state, 'log.txt')]
  const syslog = lab.gateway.spawn('socat', ['-u', `UNIX-RECV:${socket}`, `OPEN:${log},creat,append`])
  await expect.poll(() => existsSync(socket), { timeout: 30_000 }).toBe(true)
  const lines = printed.split('\n').filter((line) => line.startsWith('{"drawbridge":{"entry"'))
  const logger = ['-t', 'drawbridge', '--prio-prefix', '--size', '64KiB', '-u', socket]
  await lab.gateway.run('logger', logger, { input: lines.map((line) => `<5>${line}\n`).join('') })
  await expect
    .poll(() => (existsSync(log) ? readFileSync(log, 'utf8') : ''), { timeout: 30_000 })
    .toContain('"command":"down"')
  const received = readFileSync(log, 'utf8')
  for (const line of lines) expect(received).toContain(`drawbridge: ${line}`)
  // Facility user (1), level notice (5): RFC 3164.
  expect(received).toMatch(/^<13>/)
  await syslog.end()
})

test('where systemd reads standard output, the level stands before each line', async (t) => {
  const lab = await startLab(t)
  const journal = 'JOURNAL_STREAM=$(stat -Lc %d:%i /proc/$$/fd/1) exec "$@"'
  const drawbridge = await startDrawbridge(lab, ['sh', '-c', journal, 'sh'])
  await drawbridge.opens('tcp/8080', server)
  await expect.poll(() => journalled(drawbridge.output(), '<5>').length, { timeout: 30_000 }).toBe(1)
})

test('what is done to the database beside Drawbridge is found, and root may begin anew', async (t) => {
  const drawbridge = await startDrawbridge(await startLab(t))
  const verify = () => drawbridge.cli(['audit', '--verify'])
  for (const port of [8080, 8081, 8082]) await drawbridge.opens(`tcp/${port}`, server)
  await hasSeen(drawbridge, 3)
  await tamper(drawbridge, "UPDATE audit SET actor = 'mallory' WHERE entry = 2")
  await drawbridge.start()
  expect(await verify()).toMatchObject({ code: 1, stderr: expect.stringContaining('broken at entry 2') })
  await tamper(
    drawbridge,
    "UPDATE audit SET actor = 'root' WHERE entry = 2",
    'DELETE FROM audit WHERE entry = 3',
    "UPDATE state SET generation = 2, entry = 2, head = (SELECT hash FROM audit WHERE entry = 2), seal = ''",
    'DELETE FROM forwards WHERE number = 3',
  )
  // The kernel holds more than this store knows, so it has to be meant.
  const starting = drawbridge.start()
  await expect.poll(async () => (await drawbridge.cli(['accept'])).code, { timeout: 15_000 }).toBe(0)
  await starting
  await drawbridge.opens('tcp/8083', server)
  await drawbridge.opens('tcp/8084', server)
  const found = await verify()
  expect(found).toMatchObject({ code: 1, stderr: expect.stringContaining('seen up to entry 3') })
  expect(found.stderr).toContain(seenFile(drawbridge))
  await expect
    .poll(() => drawbridge.output(), { timeout: 30_000 })
    .toContain('the agent has seen up to entry 3')
  expect(seenBy(drawbridge)).toBe(3)
  rmSync(seenFile(drawbridge))
  await drawbridge.opens('tcp/8085', server)
  await hasSeen(drawbridge, 6)
  expect(await verify()).toMatchObject({ code: 0, stdout: expect.stringMatching(/^6 entries, unbroken\n/) })
})

test('the controller cannot write what the agent has seen, and a kill of everything loses nothing of it', async (t) => {
  const drawbridge = await startDrawbridge(await startLab(t))
  expect(statSync(join(drawbridge.state, 'agent')).mode & 0o777).toBe(0o700)
  for (let port = 8080; port < 8090; port += 1) {
    await drawbridge.opens(`tcp/${port}`, server)
    if (port % 3 === 0) {
      await drawbridge.kill9()
      await drawbridge.start()
    }
  }
  await hasSeen(drawbridge, 10)
  expect(await drawbridge.cli(['audit', '--verify', '-o', 'json'])).toMatchObject({ code: 0 })
  expect(drawbridge.output()).not.toContain('has seen')
})
