/** Which room may know which: the table of the design (section 3), held against every import there is. */
import { readdirSync, readFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { dirname, join, normalize } from 'node:path'
import { describe, expect, test } from 'vitest'

/** An import: of a file of ours as its path in `src`, of anything else as it is written. */
type Matcher = (path: string) => boolean

interface Rule {
  readonly from: Matcher
  readonly mustNot: Matcher
  readonly why: string
}

/** `model/` is the room and all in it; `up.ts` and `zod` are themselves. */
const among =
  (...names: readonly string[]): Matcher =>
  (path) =>
    names.some((name) => (name.endsWith('/') ? path.startsWith(name) : path === name))

const anythingBut =
  (...names: readonly string[]): Matcher =>
  (path) =>
    !among(...names)(path)

/** Like `anythingBut`, of our own files. */
const oursBut =
  (...names: readonly string[]): Matcher =>
  (path) =>
    path.endsWith('.ts') && !among(...names)(path)

const rules: readonly Rule[] = [
  {
    from: among('model/'),
    mustNot: anythingBut('model/', 'zod', 'ipaddr.js', 'fastest-levenshtein', 'node:util'),
    why: 'the words of the domain are readable alone',
  },
  {
    from: among('compile/'),
    mustNot: anythingBut('compile/', 'model/', 'ipaddr.js'),
    why: 'golden tests and drift detection need the same bytes every time',
  },
  {
    from: anythingBut('kernel/'),
    mustNot: among('koffi'),
    why: 'one folder to audit for effects',
  },
  {
    from: anythingBut('kernel/', 'up.ts'),
    mustNot: among('node:child_process', 'node:cluster'),
    why: 'only kernel/ touches the machine, and only `drawbridge up` starts processes',
  },
  {
    from: anythingBut('kernel/', 'agent/', 'neighbours/', 'proxy/'),
    mustNot: among('kernel/'),
    why: 'only the privileged process touches the machine',
  },
  {
    from: among('proxy/'),
    mustNot: oursBut('proxy/', 'inturn.ts', 'lines.ts', 'kernel/child.ts', 'kernel/run.ts'),
    why: 'the keeper of proxies starts programs and knows nothing else',
  },
  {
    from: among('agent/', 'kernel/', 'neighbours/'),
    mustNot: among('store/', 'api/', 'reconcile/', 'doctor/', 'fastify', 'node:sqlite'),
    why: 'privileged code stays small',
  },
  {
    from: (path) =>
      among('agent/', 'kernel/', 'neighbours/')(path) && path !== 'neighbours/containers/daemon.ts',
    mustNot: among('node:http', 'node:https', 'node:http2'),
    why: 'the privileged process has no network: it asks the socket of Docker, and nobody else',
  },
  {
    from: among('kernel/', 'neighbours/'),
    mustNot: among('agent/'),
    why: 'the agent uses the kernel, not the other way round',
  },
  {
    from: anythingBut(
      'store/sqlite.ts',
      'store/migrations.ts',
      'store/log.ts',
      'store/file.ts',
      'store/seal.ts',
    ),
    mustNot: among('node:sqlite'),
    why: 'the store alone knows where things are kept',
  },
  {
    from: among('reconcile/', 'doctor/', 'api/', 'agent/', 'cli/'),
    mustNot: among(
      'store/sqlite.ts',
      'store/migrations.ts',
      'store/log.ts',
      'store/file.ts',
      'store/seal.ts',
      'store/memory.ts',
    ),
    why: "the choice is the composition root's",
  },
  {
    from: among('store/'),
    mustNot: oursBut('store/', 'model/', 'chain.ts'),
    why: 'what is kept depends on the words of the domain alone',
  },
  {
    from: among('reconcile/'),
    mustNot: among('api/', 'cli/', 'fastify'),
    why: 'the API is a client of reconcile, not the other way round',
  },
  {
    from: among('doctor/'),
    mustNot: anythingBut('doctor/', 'model/', 'compile/'),
    why: 'a diagnosis is made of values: whoever asks has gathered them',
  },
  {
    from: among('chain.ts'),
    mustNot: anythingBut('node:crypto'),
    why: 'whoever checks the log must compute what its keeper does',
  },
  {
    from: among('faults.ts'),
    mustNot: anythingBut('node:fs'),
    why: 'it is in both processes, and inert',
  },
  {
    from: among('cli/'),
    mustNot: oursBut(
      'cli/',
      'model/',
      'api/client.ts',
      'api/shapes.ts',
      'api/shapes-doctor.ts',
      'chain.ts',
      'paths.ts',
      'up.ts',
    ),
    why: 'if the API is not enough for the command line, the API is wrong',
  },
  {
    from: anythingBut('cli/'),
    mustNot: among('cli/', 'commander'),
    why: 'the command line is a client and nobody else is one of it',
  },
]

const clause = /(?:type\s+)?(?:\*(?:\s+as\s+\w+)?|[\w$]+)?\s*,?\s*(?:\{[^{}]*\})?\s*/
const statements = new RegExp(
  String.raw`(?:^|;)\s*(?:(?:import|export)\s+${clause.source}\bfrom\s*|import\s*)(['"])(?<name>[^'"]+)\1`,
  'gm',
)
const calls = /\bimport\s*\(\s*(?:(['"])(?<name>[^'"]+)\1\s*[,)]|(?<computed>[^)]*))/g
const workers = /new URL\(\s*(['"])(?<name>[^'"]+\.ts)\1\s*,\s*import\.meta\.url/g
const otherWays = /\b(?:require\s*\(|createRequire|getBuiltinModule|process\.binding)/g

/** What a source names to be loaded, in whatever way; what cannot be known is named as what it is. */
function importsOf(source: string): string[] {
  const code = source.replace(/\/\*[\s\S]*?\*\//g, '')
  const named = [...code.matchAll(statements), ...code.matchAll(calls), ...code.matchAll(workers)]
  return [
    ...named.map(({ groups }) => groups?.name ?? `something computed: ${groups?.computed}`),
    ...[...code.matchAll(otherWays)].map(([way]) => `something by ${way}`),
  ]
}

function resolved(file: string, name: string): string {
  if (name.startsWith('.')) return normalize(join(dirname(file), name))
  return builtinModules.includes(name) ? `node:${name}` : name
}

/** The sentences of what a file must not import. */
function violationsIn(file: string, source: string): string[] {
  return importsOf(source).flatMap((name) => {
    const path = resolved(file, name)
    if (name.startsWith('something')) return [`${file} loads ${name}: nobody can tell what it is`]
    if (path.startsWith('..')) return [`${file} imports ${name}: it lies outside src`]
    const broken = rules.filter((rule) => rule.from(file) && rule.mustNot(path))
    return broken.map(({ why }) => `${file} imports ${path}: ${why}`)
  })
}

const root = new URL('../src/', import.meta.url).pathname
const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'))
const sourceOf = (file: string) => readFileSync(join(root, file), 'utf8')

describe('in src', () => {
  test('no file imports what it must not', () => {
    expect(files.flatMap((file) => violationsIn(file, sourceOf(file)))).toEqual([])
  })

  test('every import is seen: each file that is imported is there, and each file but the programs is imported', () => {
    const imported = new Set(
      files.flatMap((file) => importsOf(sourceOf(file)).map((name) => resolved(file, name))),
    )
    expect([...imported].filter((path) => path.endsWith('.ts') && !files.includes(path))).toEqual([])
    // A program is started by its path, and the store in memory is for tests.
    const started = ['agent/main.ts', 'cli/main.ts', 'controller.ts', 'proxy/main.ts', 'store/memory.ts']
    expect(files.filter((file) => !imported.has(file)).sort()).toEqual(started)
  })

  test('no two rooms know each other', () => {
    const known = new Set(
      files.flatMap((file) => pathsOf(file).map((path) => `${roomOf(file)} > ${roomOf(path)}`)),
    )
    const mutual = [...known].filter((pair) => known.has(pair.split(' > ').reverse().join(' > ')))
    expect(mutual.filter((pair) => new Set(pair.split(' > ')).size > 1)).toEqual([])
    expect(known).toContain('agent > kernel')
  })
})

const pathsOf = (file: string) =>
  importsOf(sourceOf(file))
    .map((name) => resolved(file, name))
    .filter((path) => path.endsWith('.ts'))

const roomOf = (path: string) => path.split('/')[0] ?? ''

describe('the check finds', () => {
  test.each([
    ['model/x.ts', `import { readFileSync } from 'node:fs'`, 'readable alone'],
    ['model/x.ts', `import 'fs'`, 'readable alone'],
    ['model/x.ts', `import { elementsOf } from '../compile/elements.ts'`, 'readable alone'],
    ['compile/x.ts', `import os from "node:os"`, 'same bytes'],
    ['compile/x.ts', `export { openDoor } from '../kernel/door.ts'`, 'same bytes'],
    ['api/x.ts', `import koffi from 'koffi'`, 'audit'],
    ['api/x.ts', `import {\n  type ChildProcess,\n  spawn,\n} from 'node:child_process'`, 'starts processes'],
    ['agent/x.ts', `const { spawn } = await import('child_process')`, 'starts processes'],
    ['api/x.ts', `import type { Door } from '../kernel/door.ts'`, 'privileged process'],
    ['reconcile/x.ts', `new Worker(new URL('../kernel/worker.ts', import.meta.url))`, 'privileged process'],
    ['agent/x.ts', `import Fastify from 'fastify'`, 'stays small'],
    ['kernel/x.ts', `import { Ledger } from '../store/ledger.ts'`, 'stays small'],
    ['api/x.ts', `import { openSqliteStore } from '../store/sqlite.ts'`, 'composition root'],
    ['doctor/x.ts', `import { readFileSync } from 'node:fs'`, 'made of values'],
    ['doctor/x.ts', `import type { AgentClient } from '../agent/client.ts'`, 'made of values'],
    ['cli/x.ts', `import { GatewayService } from '../api/gateway.ts'`, 'the API is wrong'],
    ['cli/commands/x.ts', `const a = 1; import { up } from '../../controller.ts'`, 'the API is wrong'],
    ['api/x.ts', `import { run } from '../cli/program.ts'`, 'is a client'],
    ['model/x.ts', `const name = './y.ts'; await import(name)`, 'nobody can tell'],
    ['model/x.ts', `process.getBuiltinModule('fs')`, 'nobody can tell'],
    ['model/x.ts', `import { x } from '../../bench/x.ts'`, 'outside src'],
  ])('%s: %s', (file, source, why) => {
    expect(violationsIn(file, source).join('\n')).toContain(why)
  })

  test('nothing in what is allowed', () => {
    expect(
      violationsIn('cli/main.ts', `await import('../up.ts')\nimport { Problem } from '../model/problem.ts'`),
    ).toEqual([])
    expect(
      violationsIn(
        'model/x.ts',
        `/** import 'node:fs' */\nimport { z } from 'zod'\nexport const from = 'node:fs'`,
      ),
    ).toEqual([])
  })
})
