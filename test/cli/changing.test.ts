import { expect, test } from 'vitest'
import { Problem } from '../../src/model/problem.ts'
import { changed, line, noon, plan, runIn, startApi, view, webSentence } from './lab.ts'

const openWeb = ['open', 'tcp/8080', '10.0.0.5:80']

test('open sends what was typed and answers with the sentence', async () => {
  const api = await startApi(() => changed([line()]))
  const argv = [...openWeb, '[fd00::5]:80', '--name', 'web', '--from', 'office,203.0.113.7', '--from', 'lab']
  expect(await runIn(api.state, [...argv, '--for', '2h', '--on-change', 'cut'])).toEqual({
    code: 0,
    out: `${webSentence}\n`,
    err: '',
  })
  expect(api.asked.map(({ body }) => body)).toEqual([
    {
      forward: {
        listen: 'tcp/8080',
        to: ['10.0.0.5:80', '[fd00::5]:80'],
        name: 'web',
        from: ['office', '203.0.113.7', 'lab'],
        expires: new Date(noon + 7_200_000).toISOString(),
        on_change: 'cut',
      },
    },
  ])
})

test('open of what is open already says so, found by its opening or by its name', async () => {
  const api = await startApi(({ method }) => (method === 'GET' ? view() : changed([])))
  const already = { code: 0, out: `already so: ${webSentence}\n`, err: '' }
  expect(await runIn(api.state, openWeb)).toEqual(already)
  expect(await runIn(api.state, [...openWeb, '--name', 'web'])).toEqual(already)
  expect(api.asked.filter(({ method }) => method === 'GET').map(({ path }) => path)).toEqual([
    '/api/v1/forwards/tcp%2F8080',
    '/api/v1/forwards/web',
  ])
})

test('open --dry-run says what would be done', async () => {
  const api = await startApi(() => changed([line()]))
  const { out } = await runIn(api.state, [...openWeb, '--dry-run', '--based', '7'])
  expect(out.split('\n')).toEqual([
    `would add web: ${webSentence}`,
    'live connections: none is touched',
    'on generation 7; to make this change and no other, add --based 7',
    '',
  ])
  expect(api.asked[0]?.body).toMatchObject({ dry_run: true, based: 7 })
})

test('warnings go to stderr, the answer to stdout', async () => {
  const warned = changed([line()], { warnings: ['web: no interface has \u001b[31m203.0.113.5'] })
  const api = await startApi(() => warned)
  const ran = await runIn(api.state, [...openWeb, '-o', 'json'])
  expect(JSON.parse(ran.out)).toEqual(warned)
  expect(ran.err).toBe('warning: web: no interface has \\u001b[31m203.0.113.5\n')
})

test.each([
  ['listen-taken', Problem.of('listen-taken', { listen: 'tcp/8080', holder: 'web', shared: 'port 8080' }), 2],
  ['bad-target', Problem.of('bad-target', { field: 'to', value: '"x"', why: 'no' }), 2],
  ['stale-generation', Problem.of('stale-generation', { based: 1, now: 2 }), 1],
  ['kernel-refused', Problem.of('kernel-refused', { words: 'no' }), 1],
])('%s is told in two lines and exits with its code', async (_, problem, code) => {
  const api = await startApi(() => {
    throw problem
  })
  expect(await runIn(api.state, openWeb)).toEqual({
    code,
    out: '',
    err: `drawbridge: ${problem.message}\n  ${problem.remedy}\n`,
  })
})

test('with -o json the problem is the one JSON value', async () => {
  const problem = Problem.of('no-such-forward', { name: 'wob', nearest: 'web' })
  const api = await startApi(() => {
    throw problem
  })
  const ran = await runIn(api.state, ['close', 'wob', '-o', 'json'])
  expect(ran.code).toBe(1)
  expect(JSON.parse(ran.out)).toEqual({ problem: problem.details() })
  expect(ran.err).toContain('Did you mean "web"?')
})

test('control characters in a problem are shown, not obeyed', async () => {
  const api = await startApi(() => {
    throw Problem.from({ code: 'x', status: 502, title: 'a\u001b[2J', remedy: 'b\u009b' })
  })
  const { err } = await runIn(api.state, ['close', 'web'])
  expect(err).toBe('drawbridge: a\\u001b[2J\n  b\\u009b\n')
})

const verbs = [
  ['close', 'closed'],
  ['enable', 'enabled'],
  ['disable', 'disabled'],
] as const

test.each(verbs)('%s says what it did', async (verb, past) => {
  const api = await startApi(() => changed([line({ verb: 'change' })]))
  expect(await runIn(api.state, [verb, 'web'])).toEqual({
    code: 0,
    out: `${past} web: ${webSentence}\n`,
    err: '',
  })
  expect(api.asked.map(({ path, body }) => [path, body])).toEqual([[`/api/v1/${verb}`, { names: ['web'] }]])
})

test('enable of what is on says so', async () => {
  const api = await startApi(({ method }) => (method === 'GET' ? view() : changed([])))
  expect((await runIn(api.state, ['enable', 'web'])).out).toBe(`already so: ${webSentence}\n`)
})

test('several names are one change', async () => {
  const removed = ['web', 'games'].map((name) => line({ verb: 'remove', name }))
  const api = await startApi(() => changed(removed))
  const { out } = await runIn(api.state, ['close', 'web', 'games', 'web', '--note', 'moved'])
  expect(out).toBe(`closed web: ${webSentence}\nclosed games: ${webSentence}\n`)
  expect(api.asked.map(({ body }) => body)).toEqual([{ names: ['web', 'games'], note: 'moved' }])
})

test('of several names, the one that was so already is told', async () => {
  const api = await startApi(({ path }) =>
    path.endsWith('/forwards/games')
      ? view({ name: 'games', sentence: 'games is on' })
      : path.endsWith('/forwards/web')
        ? view()
        : changed([line({ verb: 'change' })]),
  )
  const { out } = await runIn(api.state, ['enable', 'web', 'games'])
  expect(out).toBe(`already so: games is on\nenabled web: ${webSentence}\n`)
})

test('a plan tells whose live connections break, move or drain, and from where', async () => {
  const flows = [
    {
      forward: 'web',
      fate: 'break',
      flows: 1,
      networks: [{ network: '198.51.100.0/24', flows: 1 }],
      more: 0,
    },
    {
      forward: 'dns',
      fate: 'move',
      flows: 12,
      networks: [
        { network: '203.0.113.0/24', flows: 9 },
        { network: '2001:db8::/64', flows: 2 },
      ],
      more: 1,
    },
    { forward: 'web', fate: 'drain', flows: 3, networks: [{ network: '10.0.0.0/24', flows: 3 }], more: 0 },
  ] as const
  const api = await startApi(() => changed([line()], { plan: plan([line()], { flows }) }))
  const { out } = await runIn(api.state, ['close', 'web', '--dry-run'])
  expect(out.split('\n').slice(1, 4)).toEqual([
    '1 live connection of web would break: 1 from 198.51.100.0/24',
    '12 live connections of dns would move to the new target: 9 from 203.0.113.0/24, 2 from 2001:db8::/64, and 1 more network',
    '3 live connections of web would go on to the old target until they end: 3 from 10.0.0.0/24',
  ])
})

test('a plan that would be refused says so and exits as the refusal does', async () => {
  const problem = Problem.of('shadows-listener', {
    listen: 'tcp/8080',
    service: 'nginx',
    fate: 'its packets would go to the target',
  })
  const refused = plan([line()], { conflicts: [problem.details()] })
  const api = await startApi(() => changed([line()], { plan: refused }))
  const { code, err, out } = await runIn(api.state, [...openWeb, '--dry-run'])
  expect([code, err]).toEqual([2, `drawbridge: ${problem.message}\n  ${problem.remedy}\n`])
  expect(out).toContain('would add web')
})

test('what must be confirmed is told in the plan; --confirm takes a time, or 0', async () => {
  const api = await startApi(() => changed([line()], { plan: plan([line()], { confirm: ['it ends you'] }) }))
  expect((await runIn(api.state, [...openWeb, '--dry-run'])).out).toContain('needs --confirm: it ends you\n')
  await runIn(api.state, [...openWeb, '--confirm', '60s'])
  await runIn(api.state, [...openWeb, '--confirm', '0'])
  expect((await runIn(api.state, [...openWeb, '--confirm', 'soon'])).code).toBe(2)
  expect(api.asked.slice(1).map(({ body }) => (body as { confirm: number }).confirm)).toEqual([60, 0])
})

test('a change on trial says how it is kept', async () => {
  const pending = { base: 7, deadline: '2026-11-24T12:01:00Z', new_session: true }
  const api = await startApi(() => changed([line()], { pending }))
  expect((await runIn(api.state, [...openWeb, '--confirm', '60s'])).out).toBe(
    `${webSentence}\nnot kept yet: generation 7 returns at 2026-11-24T12:01:00Z, unless you say in a new SSH session: drawbridge confirm\n`,
  )
})

test('an empty name is refused before anything is asked', async () => {
  const api = await startApi(() => changed([line()]))
  expect(await runIn(api.state, ['close', ''])).toMatchObject({ code: 2, out: '' })
  expect(api.asked).toEqual([])
})

test('of so many names that the answer leaves lines out, none is said to be as it was', async () => {
  const api = await startApi(() =>
    changed([line({ verb: 'change' })], { plan: plan([line({ verb: 'change' })], { more: 2 }) }),
  )
  const { out } = await runIn(api.state, ['enable', 'web', 'games', 'dns'])
  expect(out).toBe(`enabled web: ${webSentence}\nand 2 more\n`)
  expect(api.asked).toHaveLength(1)
})

test('what enable hides can be meant', async () => {
  const api = await startApi(() => changed([line({ verb: 'change' })]))
  await runIn(api.state, ['enable', 'web', '--take-over'])
  expect(api.asked[0]?.body).toEqual({ names: ['web'], take_over: true })
})
