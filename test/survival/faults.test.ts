/** The fault points themselves: each is somewhere, and none is anywhere but in a lab. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { faultPoints } from '../../src/faults.ts'
import { startScene } from './scene.ts'

const source = new URL('../../src/', import.meta.url)

/** Passes a point twice in a process of its own; gives how it ended, what it said, and whether the words are still there. */
function pass(words: string, env: NodeJS.ProcessEnv) {
  const directory = mkdtempSync(join(tmpdir(), 'drawbridge-point-'))
  const file = join(directory, 'point')
  writeFileSync(file, words)
  const script = `
    import { reach } from '${new URL('faults.ts', source)}'
    reach('put-read'); console.log('once'); reach('put-read'); console.log('twice')`
  const { signal, stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    env: { DRAWBRIDGE_FAULTS: file, ...env },
    encoding: 'utf8',
  })
  const armed = existsSync(file)
  rmSync(directory, { recursive: true })
  return { signal, said: stdout.trim().split('\n').join(' '), armed }
}

const lab = { DRAWBRIDGE_LAB: 'net:[1]' }

test.for([
  ['put-read', lab, { signal: 'SIGKILL', said: '', armed: false }],
  ['put-read:2', lab, { signal: 'SIGKILL', said: 'once', armed: false }],
  ['put-read:3', lab, { signal: null, said: 'once twice', armed: true }],
  ['put-sending', lab, { signal: null, said: 'once twice', armed: true }],
  ['put-read', {}, { signal: null, said: 'once twice', armed: true }],
  ['put-read', { DRAWBRIDGE_LAB: '' }, { signal: null, said: 'once twice', armed: true }],
] as const)('%s with %j', ([words, env, outcome]) => {
  expect(pass(words, env)).toEqual(outcome)
})

test('every point of the table is in the path of something', () => {
  const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.ts'),
  )
  const text = files.map((name) => readFileSync(new URL(name, source), 'utf8')).join('')
  const points = [...faultPoints.agent, ...faultPoints.controller]
  expect(points.filter((point) => !new RegExp(`(reach|writeThrough)\\('${point}'`).test(text))).toEqual([])
})

test('drawbridge up says that it may die', async (t) => {
  const { drawbridge } = await startScene(t)
  expect(drawbridge.output()).toMatch(/^drawbridge: a test may end it at any point, by /m)
})
