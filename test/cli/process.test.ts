/** The client as the process that people start: real streams, real exit codes. */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { changed, type Ran, runIn, startApi, view } from './lab.ts'

const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))

async function bash(state: string, script: string, typed = ''): Promise<Ran> {
  const child = spawn('bash', ['-c', script], {
    env: {
      ...process.env,
      NODE: process.execPath,
      MAIN: main,
      DRAWBRIDGE_STATE: state,
      NODE_NO_WARNINGS: '1',
    },
  })
  child.stdin.end(typed)
  const [out, err, code] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise<number>((resolve) => child.once('close', (ended) => resolve(ended ?? -1))),
  ])
  return { code, out, err }
}

const many = Array.from({ length: 64_000 }, (_, at) => view({ name: `f${at}` }))

test('64,000 forwards are listed fast, whole into a pipe, and cut short by head without a word', async () => {
  const api = await startApi(() => ({ generation: 7, forwards: many }))
  const started = performance.now()
  const whole = await bash(api.state, '"$NODE" "$MAIN" list | wc -l')
  expect(whole).toEqual({ code: 0, out: '64001\n', err: '' })
  expect(performance.now() - started).toBeLessThan(10_000)
  const short = await bash(api.state, 'set -o pipefail; "$NODE" "$MAIN" list | head -n 1')
  expect(short).toEqual({ code: 0, out: 'NAME    LISTEN    TARGET       FROM      CONNS  STATE\n', err: '' })
})

test('a gateway of 64,000 forwards comes from standard input', async () => {
  const api = await startApi(() => changed([]))
  const gateway = { version: 1, forwards: many.map(({ forward }) => forward) }
  const started = performance.now()
  expect((await bash(api.state, '"$NODE" "$MAIN" apply -f -', JSON.stringify(gateway))).code).toBe(0)
  expect(performance.now() - started).toBeLessThan(10_000)
  expect(api.asked[0]?.body).toEqual({ gateway })
})

test('no colour where stdout is no terminal', async () => {
  const api = await startApi(() => ({ generation: 7, forwards: [view()] }))
  const { out } = await bash(api.state, '"$NODE" "$MAIN" list')
  expect(out).toBe((await runIn(api.state, ['list'])).out)
  expect(out).not.toContain('\u001b')
})

/** util-linux's script(1) gives its command a terminal. */
test('colour on a terminal, unless NO_COLOR or a dumb one says no', async () => {
  const api = await startApi(() => ({ generation: 7, forwards: [view()] }))
  const onTerminal = async (env: string) =>
    (await bash(api.state, `${env} script -qec '"$NODE" "$MAIN" list' /dev/null`)).out
  expect(await onTerminal('TERM=xterm NO_COLOR=')).toContain('\u001b[33manywhere')
  expect(await onTerminal('TERM=xterm NO_COLOR=1')).not.toContain('\u001b')
  expect(await onTerminal('TERM=dumb NO_COLOR=')).not.toContain('\u001b')
})

test('exit codes and the version are those of the process', async () => {
  const api = await startApi(() => changed([]))
  expect((await bash(api.state, '"$NODE" "$MAIN" opne')).code).toBe(2)
  expect((await bash('/srv/nothing', '"$NODE" "$MAIN" list')).code).toBe(1)
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  expect((await bash(api.state, '"$NODE" "$MAIN" --version')).out).toBe(`${version}\n`)
})
