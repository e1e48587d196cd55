import { expect, test } from 'vitest'
import { Problem } from '../../src/model/problem.ts'
import { type Asked, changed, line, noon, runIn, startApi, view, webSentence } from './lab.ts'

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
  const { out } = await runIn(api.state, [...openWeb, '--dry-run'])
  expect(out).toBe(`would add web: ${webSentence}\n`)
  expect(api.asked[0]?.body).toMatchObject({ dry_run: true })
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
  ['close', 'closed', 'DELETE /api/v1/forwards/web'],
  ['enable', 'enabled', 'POST /api/v1/forwards/web/enable'],
  ['disable', 'disabled', 'POST /api/v1/forwards/web/disable'],
] as const

test.each(verbs)('%s says what it did', async (verb, past, asked) => {
  const api = await startApi(() => changed([line({ verb: 'change' })]))
  expect(await runIn(api.state, [verb, 'web'])).toEqual({
    code: 0,
    out: `${past} web: ${webSentence}\n`,
    err: '',
  })
  expect(api.asked.map(({ method, path }) => `${method} ${path}`)).toEqual([asked])
})

test('enable of what is on says so', async () => {
  const api = await startApi(({ method }) => (method === 'GET' ? view() : changed([])))
  expect((await runIn(api.state, ['enable', 'web'])).out).toBe(`already so: ${webSentence}\n`)
})

const nameIn = ({ path }: Asked) => /forwards\/([a-z]+)/.exec(path)?.[1] ?? ''

test('several names are one answer of the same shape', async () => {
  const api = await startApi((asked) => changed([line({ verb: 'remove', name: nameIn(asked) })]))
  const { out } = await runIn(api.state, ['close', 'web', 'games', 'web', '-o', 'json'])
  const answered = JSON.parse(out)
  expect(answered).toMatchObject({ changed: true, generation: 8, plan: { based: 7 }, warnings: [] })
  expect(answered.plan.lines.map(({ name }: { name: string }) => name)).toEqual(['web', 'games'])
})

test('a slip in the last of several names leaves all as they were', async () => {
  const api = await startApi((asked) => {
    if (nameIn(asked) === 'gmes') throw Problem.of('no-such-forward', { name: 'gmes', nearest: 'games' })
    return changed([line({ verb: 'remove' })])
  })
  const { code, out } = await runIn(api.state, ['close', 'web', 'gmes'])
  expect([code, out]).toEqual([1, ''])
  expect(api.asked.filter(({ path }) => !path.endsWith('?dry_run=1'))).toEqual([])
  expect(api.asked).toHaveLength(2)
})

test('an empty name is refused before anything is asked', async () => {
  const api = await startApi(() => changed([line()]))
  expect(await runIn(api.state, ['close', ''])).toMatchObject({ code: 2, out: '' })
  expect(api.asked).toEqual([])
})
