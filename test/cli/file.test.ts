import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { exitCodeOf } from '../../src/cli/exit.ts'
import { readGatewayFile } from '../../src/cli/file.ts'
import { Problem } from '../../src/model/problem.ts'
import { alone } from '../lab/root.ts'
import { stateDirectory, typed } from './lab.ts'

function fileOf(content: string | Uint8Array): string {
  const path = join(stateDirectory(), 'gateway.yaml')
  writeFileSync(path, content)
  return path
}

const read = (content: string | Uint8Array) => readGatewayFile(fileOf(content), typed(''))

async function refusal(reading: Promise<unknown>): Promise<Problem> {
  const problem = await reading.then(
    () => undefined,
    (error: unknown) => error,
  )
  if (!(problem instanceof Problem)) throw new Error(`a problem was expected, not ${String(problem)}`)
  expect(exitCodeOf(problem)).toBe(2)
  return problem
}

test('YAML is read as YAML 1.2: times and addresses stay texts', async () => {
  const value = await read(
    [
      'version: 1',
      'lists: { office: [198.51.100.0/24, "2001:db8:7::/48"] }',
      'forwards:',
      '  - tcp/8443 -> 10.0.0.5:443',
      '  - { listen: udp/53, to: 10.0.0.9, expires: 2027-01-31T00:00:00Z, enabled: no }',
    ].join('\n'),
  )
  expect(value).toEqual({
    version: 1,
    lists: { office: ['198.51.100.0/24', '2001:db8:7::/48'] },
    forwards: [
      'tcp/8443 -> 10.0.0.5:443',
      { listen: 'udp/53', to: '10.0.0.9', expires: '2027-01-31T00:00:00Z', enabled: 'no' },
    ],
  })
})

test.each([
  ['JSON', '  {"version": 1, "forwards": []}'],
  ['YAML in braces', '{version: 1, forwards: []}'],
  ['a file with a byte order mark', '\ufeff{"version": 1, "forwards": []}'],
])('%s is read', async (_, content) => {
  expect(await read(content)).toEqual({ version: 1, forwards: [] })
})

test('- is standard input', async () => {
  expect(await readGatewayFile('-', typed('version: 1'))).toEqual({ version: 1 })
})

test.each([
  ['YAML', 'version: 1\nforwards:\n  - [secret-token\nx: 1', '4:1'],
  ['JSON', '{"version": 1,\n "note": secret-token: 1}', '2:22'],
  ['a key twice', 'version: 1\nversion: 1', '2:1'],
  ['an alias', 'a: &x 1\nb: *x', '2:5'],
])('broken %s is a problem with line and column and without the content', async (_, content, at) => {
  const { code, message } = await refusal(read(content))
  expect(code).toBe('bad-document')
  expect(message).toContain(` ${at}: `)
  expect(message).not.toContain('secret-token')
  expect(message).not.toContain('\n')
})

test.each([
  ['nothing', ''],
  ['white space', ' \n\n'],
  ['a comment alone', '# soon\n'],
  ['two documents', 'version: 1\n---\nversion: 1\n'],
  ['nesting without end', `a: ${'['.repeat(5000)}`],
  ['bytes that are not UTF-8', Uint8Array.of(0x76, 0xff, 0xfe)],
])('%s is not a gateway', async (_, content) => {
  expect((await refusal(read(content))).code).toBe('bad-document')
})

test('a file that cannot be read says which and why', async () => {
  const directory = stateDirectory()
  const absent = await refusal(readGatewayFile(join(directory, 'no\u001b[31m.yaml'), typed('')))
  expect(absent.message).toMatch(/^the file ".*no\\u001b\[31m.yaml" cannot be read: there is no such file$/)
  const folder = await refusal(readGatewayFile(directory, typed('')))
  expect(folder.message).toContain('it is a directory')
})

/** Root reads everything, so it becomes somebody else for a moment. */
const isRoot = process.getuid?.() === 0

test.skipIf(alone)('a forbidden file says so (wants another user to become)', async () => {
  const path = fileOf('version: 1')
  chmodSync(path, 0)
  if (isRoot) process.seteuid?.(65534)
  try {
    expect((await refusal(readGatewayFile(path, typed('')))).message).toContain('permission denied')
  } finally {
    if (isRoot) process.seteuid?.(0)
  }
})

test('a file without end is given up', async () => {
  expect((await refusal(readGatewayFile('/dev/zero', typed('')))).message).toContain('larger than 64 MiB')
})
