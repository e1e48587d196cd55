import { load } from 'js-yaml'
import { expect, test } from 'vitest'
import type { ForwardView } from '../../src/api/shapes.ts'
import type { Terminal } from '../../src/cli/world.ts'
import type { NameView } from '../../src/model/naming.ts'
import { noon, runIn, startApi, status, view } from './lab.ts'

const games = view({
  name: 'games',
  forward: {
    name: 'games',
    listen: 'udp/20000-20100',
    to: ['10.0.0.9:10000-10100', '[fd00::9]:10000-10100'],
    from: ['office', '203.0.113.7'],
    limits: { new_per_source: '30/s', open_per_source: 200 },
    expires: new Date(noon + 7_140_000).toISOString(),
    note: 'for the night shift',
  },
  connections: 123,
  refused: 4,
  limited: 5,
  state: 'off',
})

const nobody = view({ name: 'shut', forward: { listen: 'tcp/1', to: '10.0.0.5', from: [] } })

const listing = (...forwards: ForwardView[]) => startApi(() => ({ generation: 7, forwards }))

test('list fits 80 columns without colour', async () => {
  const api = await listing(view({ connections: 12 }), games, nobody)
  const { code, out, err } = await runIn(api.state, ['list'])
  expect([code, err]).toEqual([0, ''])
  expect(out.split('\n')).toEqual([
    'NAME   LISTEN           TARGET                  FROM                CONNS  STATE',
    'web    tcp/8080         10.0.0.5:80             anywhere               12  on',
    'games  udp/20000-20100  10.0.0.9:10000-10100,…  office,203.0.113.7    123  off',
    'shut   tcp/1            10.0.0.5                nobody                  0  on',
    '',
  ])
  for (const line of out.split('\n')) expect(line.length).toBeLessThanOrEqual(80)
})

test('open to anywhere is yellow where there is colour, and only that', async () => {
  const api = await listing(view(), games)
  const terminal = { width: 80, colour: true } as Terminal
  const { out } = await runIn(api.state, ['list'], { terminal })
  expect(out.split('\u001b').slice(1)).toEqual([
    '[33manywhere          ',
    expect.stringMatching(/^\[39m {6}0 {2}on\n.*203\.0\.113\.7 {4}123 {2}off\n$/s),
  ])
})

test('a wider terminal cuts nothing', async () => {
  const api = await listing(view(), games)
  const terminal = { width: 120, colour: false } as Terminal
  const { out } = await runIn(api.state, ['list'], { terminal })
  expect(out).toContain('10.0.0.9:10000-10100,[fd00::9]:10000-10100')
})

const app: NameView = {
  name: 'app.example.org',
  leads: ['10.0.0.5', '10.0.0.6'],
  since: '2027-01-31T00:00:00.000Z',
  ttl: 30,
  next: null,
  server: '10.0.0.53',
  trouble: null,
  left: [],
}
const silent: NameView = {
  ...app,
  trouble: { kind: 'failed', detail: 'silence from 10.0.0.53', since: '2027-01-31T01:00:00.000Z' },
}
const silentWords =
  'app.example.org -> 10.0.0.5, 10.0.0.6, kept as of 2027-01-31T00:00:00.000Z: no answer (silence from 10.0.0.53) since 2027-01-31T01:00:00.000Z'

test('list counts names in trouble, show says where each leads', async () => {
  const api = await listing(view({ names: [app] }), view({ name: 'two', names: [silent], down: 1 }))
  const { out } = await runIn(api.state, ['list'])
  expect(out).toMatch(/^web .* on$/m)
  expect(out).toMatch(/^two .* on, 1 down, 1 name in trouble$/m)
  const good = await startApi(() => view({ names: [app] }))
  expect((await runIn(good.state, ['show', 'web'])).out).toContain(
    '\napp.example.org -> 10.0.0.5, 10.0.0.6 (ttl 30 s)\n',
  )
  const bad = await startApi(() => view({ names: [silent] }))
  expect((await runIn(bad.state, ['show', 'web'])).out).toContain(`\n${silentWords}\n`)
})

test('status says which names are in trouble, of many the first', async () => {
  const names = { count: 40, troubled: [silent], more: 2 }
  const api = await startApi(() => status({ names }))
  const { out } = await runIn(api.state, ['status'])
  expect(out).toContain(`\nname: ${silentWords}\nand 2 more names in trouble\n`)
})

test('an empty list teaches three commands', async () => {
  const api = await listing()
  const { out, code } = await runIn(api.state, ['list'])
  expect(code).toBe(0)
  expect(out.match(/^ {2}drawbridge (open|apply) /gm)).toHaveLength(3)
  const json = await runIn(api.state, ['list', '-o', 'json'])
  expect(JSON.parse(json.out)).toEqual({ generation: 7, forwards: [] })
})

test('json and yaml give what the API gave, the flag before or after the command', async () => {
  const api = await listing(games)
  const answer = { generation: 7, forwards: [games] }
  expect(JSON.parse((await runIn(api.state, ['list', '-o', 'json'])).out)).toEqual(answer)
  expect(JSON.parse((await runIn(api.state, ['--output=json', 'list'])).out)).toEqual(answer)
  expect(load((await runIn(api.state, ['list', '-o', 'yaml'])).out)).toEqual(answer)
})

test('show prints a line for each fact', async () => {
  const api = await startApi(() => games)
  const { out } = await runIn(api.state, ['show', 'udp/20000-20100'])
  expect(api.asked[0]?.path).toBe('/api/v1/forwards/udp%2F20000-20100')
  expect(out.trimEnd().split('\n')).toEqual([
    'name: games',
    `sentence: ${games.sentence}`,
    'listen: udp/20000-20100',
    'to: 10.0.0.9:10000-10100,[fd00::9]:10000-10100',
    'from: office,203.0.113.7',
    'source_nat: auto',
    'limits: 30/s new per source, 200 open per source',
    'on_change: drain',
    'connections: 123',
    'refused: 4',
    'limited: 5',
    'expires: 2026-11-24T13:59:00.000Z (1h 59m left)',
    'note: for the night shift',
    'state: off',
  ])
})

test('show of a plain forward says never, none and anywhere, and has no note', async () => {
  const api = await startApi(() => view())
  const { out } = await runIn(api.state, ['show', 'web'])
  expect(out).toContain('from: anywhere\n')
  expect(out).toContain('limits: none\n')
  expect(out).toContain('expires: never\n')
  expect(out).not.toContain('note:')
})

test('control characters of an answer are shown, not obeyed', async () => {
  const api = await startApi(() =>
    view({ forward: { listen: 'tcp/1', to: '10.0.0.5', note: '\u001b]0;x\u0007' } }),
  )
  const { out } = await runIn(api.state, ['show', 'web'])
  expect(out).toContain('note: \\u001b]0;x\\u0007\n')
})

test('names gives one name a line, from the gateway, and is no part of the help', async () => {
  const forwards = [{ name: 'web', listen: 'tcp/1', to: '10.0.0.5' }, { name: 'games' }, 'tcp/2 -> 10.0.0.5']
  const api = await startApi(() => ({ generation: 7, gateway: { version: 1, forwards } }))
  expect((await runIn(api.state, ['names'])).out).toBe('web\ngames\n')
  expect(api.asked.map(({ path }) => path)).toEqual(['/api/v1/gateway'])
  expect((await runIn(api.state, ['--help'])).out).not.toMatch(/^ {2}names/m)
})
