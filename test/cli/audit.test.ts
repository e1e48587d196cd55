/** history and audit as people and programs read them. */
import { expect, test } from 'vitest'
import type { AuditEntry, AuditPage, HistoryEntry } from '../../src/api/shapes.ts'
import type { Terminal } from '../../src/cli/world.ts'
import { type Asked, changed, line, runIn, startApi } from './lab.ts'

const hash = 'a'.repeat(64)
const deed = {
  entry: 12,
  generation: 9,
  at: '2026-11-24T09:08:07.123Z',
  actor: 'ada',
  uid: 1007,
  address: '198.51.100.7',
  how: 'cli',
  command: 'open',
  note: '',
  hash,
}
const nothing = { forwards: {}, lists: {}, settings: { before: null, after: null } }
const settings = { privileged: false, mark: '0x1/0x1', locked: false }
const web = { name: 'web', listen: 'tcp/8080', to: '10.0.0.5:80' }

function entry(own: Partial<AuditEntry> = {}): AuditEntry {
  const added = {
    forwards: { web: { before: null, after: web } },
    lists: {},
    settings: { before: settings, after: settings },
  }
  return { ...deed, ...added, ...own }
}

const mark = { entry: 0, generation: 0, hash: '0'.repeat(64) }

/** A log in pages of two. */
function paged(entries: readonly AuditEntry[]) {
  return ({ path }: Asked): AuditPage => {
    const after = Number(new URL(path, 'http://localhost').searchParams.get('after') ?? 0)
    const next = after + 2 < entries.length ? after + 2 : null
    return { base: mark, head: mark, before: mark.hash, entries: entries.slice(after, after + 2), next }
  }
}

test('history says who, how, what and why in 80 columns', async () => {
  const entries: HistoryEntry[] = [
    {
      ...deed,
      generation: 9,
      how: 'expiry',
      command: 'expiry',
      actor: 'drawbridge',
      lines: [line({ verb: 'remove' })],
      more: 0,
    },
    {
      ...deed,
      generation: 8,
      command: 'rollback',
      note: 'back to generation 6',
      lines: [line({ verb: 'change' })],
      more: 3,
    },
    {
      ...deed,
      generation: 7,
      how: 'api',
      command: 'close',
      lines: [line({ verb: 'remove', name: 'games' })],
      more: 0,
    },
    { ...deed, generation: 6, how: 'lockdown', command: '', uid: null, address: '', lines: [], more: 0 },
  ]
  const api = await startApi(() => entries)
  const { out, code } = await runIn(api.state, ['history'])
  expect([code, out.split('\n')]).toEqual([
    0,
    [
      'GEN  WHEN (UTC)           WHO         HOW        WHAT            WHY',
      '  9  2026-11-24 09:08:07  drawbridge  expiry     removed web',
      '  8  2026-11-24 09:08:07  ada         rollback   changed web, …  back to genera…',
      '  7  2026-11-24 09:08:07  ada         api close  removed games',
      '  6  2026-11-24 09:08:07  ada         lockdown',
      '',
    ],
  ])
})

test('audit says who, from where, what and why in 80 columns, and all of it where there is room', async () => {
  const entries = [
    entry({ entry: 1, note: 'for the night shift' }),
    entry({ entry: 2, command: 'confirm', ...nothing }),
    entry({ entry: 3, how: 'revert', command: 'revert', actor: 'drawbridge', uid: null, address: 'local' }),
  ]
  const api = await startApi(paged(entries))
  const { out } = await runIn(api.state, ['audit'])
  expect(out.split('\n')[1]).toBe(
    '    1    9  2026-11-24 09:08:07  ada(1007)  198.51.100.7  open: added web (for …',
  )
  for (const row of out.split('\n')) expect(row.length).toBeLessThanOrEqual(80)
  const wide = await runIn(api.state, ['audit'], { terminal: { width: 120 } as Terminal })
  expect(wide.out.split('\n').map((row) => row.slice(23))).toEqual([
    expect.stringMatching(/WHO +FROM +WHAT$/),
    expect.stringMatching(/ada\(1007\) +198\.51\.100\.7 +open: added web \(for the night shift\)$/),
    expect.stringMatching(/ada\(1007\) +198\.51\.100\.7 +confirm$/),
    expect.stringMatching(/WHO +FROM +WHAT$/),
    expect.stringMatching(/drawbridge +local +revert: added web$/),
    '',
  ])
})

test('audit as JSON is one list however many pages there were, and so it is as YAML', async () => {
  const entries = [1, 2, 3, 4, 5].map((at) => entry({ entry: at }))
  const api = await startApi(paged(entries))
  const { out } = await runIn(api.state, ['audit', '-o', 'json'])
  expect(JSON.parse(out)).toEqual(entries)
  expect(api.asked.map(({ path }) => path)).toEqual([
    '/api/v1/audit',
    '/api/v1/audit?after=2',
    '/api/v1/audit?after=4',
  ])
  const yaml = await runIn(api.state, ['audit', '-o', 'yaml'])
  expect(yaml.out.match(/^- entry: \d/gm)).toHaveLength(5)
  const empty = await startApi(paged([]))
  expect((await runIn(empty.state, ['audit', '-o', 'json'])).out).toBe('[]\n')
  expect((await runIn(empty.state, ['audit', '-o', 'yaml'])).out).toBe('[]\n')
  expect(await runIn(empty.state, ['audit'])).toEqual({ code: 0, out: '', err: '' })
})

test('when nobody reads any more, no further page is asked for', async () => {
  const api = await startApi(paged([1, 2, 3, 4, 5].map((at) => entry({ entry: at }))))
  const terminal = { width: 80, out: () => false } as unknown as Terminal
  expect((await runIn(api.state, ['audit'], { terminal })).code).toBe(0)
  expect(api.asked).toHaveLength(1)
})

test.each([
  [['--since', '7'], { generation: '7' }],
  [['--since', '2h'], { since: '2026-11-24T10:00:00.000Z' }],
  [
    ['--since', '3d', '--until', '1d'],
    { since: '2026-11-21T12:00:00.000Z', until: '2026-11-23T12:00:00.000Z' },
  ],
  [['--since', '2026-11-01'], { since: '2026-11-01T00:00:00Z' }],
  [['--since', '2026-11-01T06:00:00+02:00'], { since: '2026-11-01T04:00:00Z' }],
])('audit %j asks for that part', async (flags, query) => {
  const api = await startApi(paged([]))
  expect((await runIn(api.state, ['audit', ...flags])).code).toBe(0)
  const { searchParams } = new URL(api.asked[0]?.path ?? '', 'http://localhost')
  expect(Object.fromEntries(searchParams)).toEqual(query)
})

test.each([
  [['--since', 'yesterday'], '"yesterday" is not a time'],
  [['--since', '2026-02-30'], '"2026-02-30" is not a time'],
  [['--until', '7'], '"7" is not a time'],
  [['--since', ''], '"" is not a time'],
  [['--rotate', '0'], '"0" is not a count of entries to keep'],
])('audit %j is wrong usage', async (flags, words) => {
  const api = await startApi(paged([]))
  const { code, err } = await runIn(api.state, ['audit', ...flags])
  expect([code, err.split('\n')[0]]).toEqual([2, `drawbridge: ${words}`])
  expect(api.asked).toEqual([])
})

test('what a name, an address or a note says is shown, and obeyed by no terminal', async () => {
  const hostile = entry({ actor: 'a\u001b[2Jb', address: '\u202e1', note: 'x\n9  forged' })
  const api = await startApi(({ path }) =>
    path.includes('history')
      ? [{ ...hostile, lines: [line({ name: 'w\u0007' })], more: 0 }]
      : paged([hostile])({ path } as Asked),
  )
  for (const command of ['history', 'audit']) {
    const { out } = await runIn(api.state, [command], { terminal: { width: 200 } as Terminal })
    expect(out.trimEnd().split('\n')).toHaveLength(2)
    expect(out.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}]/u)
    expect(out).toContain('x\\u000a9  forged')
  }
})

test.each([
  [['close', 'web', '--note', 'a & b'], '/api/v1/close', { names: ['web'], note: 'a & b' }],
  [['disable', 'web', '--note', 'why'], '/api/v1/disable', { names: ['web'], note: 'why' }],
  [['enable', 'web', '--note', 'why'], '/api/v1/enable', { names: ['web'], note: 'why' }],
  [['lockdown', '--note', 'why'], '/api/v1/lockdown', { lift: false, note: 'why' }],
  [['rollback', '3', '--note', 'why'], '/api/v1/rollback', { to: 3, note: 'why' }],
])('%j says why', async (command, path, body) => {
  const api = await startApi(() => changed([line({ verb: 'remove' })]))
  expect((await runIn(api.state, command)).code).toBe(0)
  expect([api.asked[0]?.path, api.asked[0]?.body]).toEqual([path, body])
})

test('the user is named with the number, of the person behind sudo too', async () => {
  const api = await startApi(paged([]))
  await runIn(api.state, ['audit'])
  expect(api.asked[0]?.headers['x-drawbridge-uid']).toBe(process.env.SUDO_UID ?? String(process.getuid?.()))
})
