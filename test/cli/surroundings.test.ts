/** What is said of targets and of conflicts. */
import { expect, test } from 'vitest'
import { changed, line, runIn, startApi, status, typed, webSentence } from './lab.ts'

const answers = (port: number) => `10.0.0.5 port ${port} answers (0.4 ms, by in0)`

test('open says which target answers, after the sentence', async () => {
  const api = await startApi(() => changed([line()], { reached: [answers(80)] }))
  const { out } = await runIn(api.state, ['open', 'tcp/8080', '10.0.0.5:80'])
  expect(out).toBe(`${webSentence}\n${answers(80)}\n`)
})

test('apply names the first few of many', async () => {
  const reached = Array.from({ length: 7 }, (_, index) => answers(80 + index))
  const api = await startApi(() => changed([line()], { reached }))
  const { out } = await runIn(api.state, ['apply', '-f', '-'], { stdin: typed('version: 1\n') })
  expect(out.split('\n').slice(1)).toEqual([...reached.slice(0, 5), 'and 2 more targets', ''])
})

test.each([
  ['close', ['close', 'web']],
  ['drain', ['drain', 'web', '10.0.0.5']],
  ['rollback', ['rollback', '7']],
])('%s says what targets and probes have answered too', async (_, argv) => {
  const proven = 'web: proven by a tcp packet'
  const made = changed([line()], { reached: [answers(80)], proven: [proven] })
  const api = await startApi(({ method }) => (method === 'POST' ? made : { endpoints: [] }))
  const { out } = await runIn(api.state, argv)
  expect(out.split('\n').slice(1)).toEqual([answers(80), proven, ''])
})

test('status has a line for each conflict, and is ready all the same', async () => {
  const api = await startApi(() => status({ conflicts: ['web hides nc\u001b[31m', 'and 3 more conflicts'] }))
  const { code, out } = await runIn(api.state, ['status'])
  expect(code).toBe(0)
  expect(out).not.toContain('\u001b')
  expect(out.split('\n').slice(1)).toEqual([
    expect.stringMatching(/^conflict: web hides nc/),
    'conflict: and 3 more conflicts',
    '',
  ])
})
