/** Hostile text in every field: it is refused in one clean line, or it is a note and stays exactly what it was. */
import { describe, expect, test } from 'vitest'
import { elementsOf } from '../../src/compile/elements.ts'
import { nothingKnown } from '../../src/model/endpoints.ts'
import { type Forward, parseForward, printForward } from '../../src/model/forward.ts'
import { parseGateway } from '../../src/model/gateway.ts'
import { Problem } from '../../src/model/problem.ts'
import { expectClean } from './problems.ts'

const texts = {
  'a newline': '10.0.0.5\n10.0.0.6',
  quotes: `"'\`\\`,
  'a second nft command': '10.0.0.5; drop',
  'a closed set': '10.0.0.5 } ; flush ruleset ; {',
  'a substitution': '$(reboot)',
  'one megabyte': 'x'.repeat(1_000_000),
  'one megabyte of separators': ',-:/+@%.'.repeat(125_000),
  'a lone surrogate': '\ud800',
  'a zero byte': '10.0.0.5\u0000',
  'a line separator': 'a\u2028b',
  'a turned reading direction': '\u202e5.0.0.01',
  'an escape sequence': '\u001b[2J\u001b]0;owned\u0007',
  'a prototype': '__proto__',
} as const

const web = { listen: 'tcp/8443', to: '10.0.0.5:443' }
const forwards: Readonly<Record<string, (text: string) => unknown>> = {
  'the short form': (text) => text,
  'both ends of the short form': (text) => `${text}->${text}`,
  name: (text) => ({ ...web, name: text }),
  listen: (text) => ({ ...web, listen: text }),
  'listen address': (text) => ({ ...web, listen: `tcp/80@${text}` }),
  'listen interface': (text) => ({ ...web, listen: `tcp/80%${text}` }),
  'listen ports': (text) => ({ ...web, listen: `tcp/${text}` }),
  to: (text) => ({ ...web, to: text }),
  'to, in a list': (text) => ({ ...web, to: ['fd00::5', text] }),
  'target host': (text) => ({ ...web, to: { host: text, port: 80 } }),
  'target port': (text) => ({ ...web, to: { host: '10.0.0.5', port: text } }),
  from: (text) => ({ ...web, from: text }),
  source_nat: (text) => ({ ...web, source_nat: text }),
  new_per_source: (text) => ({ ...web, limits: { new_per_source: text } }),
  open_per_source: (text) => ({ ...web, limits: { open_per_source: text } }),
  on_change: (text) => ({ ...web, on_change: text }),
  expires: (text) => ({ ...web, expires: text }),
  note: (text) => ({ ...web, note: text }),
  enabled: (text) => ({ ...web, enabled: text }),
  'an unknown key': (text) => keyed(text, web),
  'an unknown limit': (text) => ({ ...web, limits: keyed(text) }),
  'an unknown key of a target': (text) => ({ ...web, to: keyed(text, { host: '10.0.0.5' }) }),
}

const gateways: Readonly<Record<string, (text: string) => unknown>> = {
  version: (text) => ({ version: text }),
  mark: (text) => ({ version: 1, mark: text }),
  'an unknown key': (text) => keyed(text, { version: 1 }),
  'list name': (text) => ({ version: 1, lists: keyed(text) }),
  'list name with a wrong value': (text) => ({ version: 1, lists: keyed(text, {}, [5]) }),
  'list entry': (text) => ({ version: 1, lists: { office: [text] } }),
}

/** Like JSON.parse: `__proto__` is a key like any other. */
function keyed(key: string, more: object = {}, value: unknown = []): object {
  return Object.defineProperty({ ...more }, key, { value, enumerable: true })
}

/** What comes of it: the value, or the problem. Any other error goes on and fails the test. */
function outcomeOf<T>(parse: () => T): T | Problem {
  try {
    return parse()
  } catch (error) {
    if (error instanceof Problem) return error
    throw error
  }
}

const rows = (fields: object) =>
  Object.keys(fields).flatMap((field) =>
    Object.keys(texts).map((text) => [field, text as keyof typeof texts] as const),
  )

describe('in a forward', () => {
  test.each(rows(forwards))('%s: %s', (field, kind) => {
    const outcome = outcomeOf(() => parseForward(forwards[field]?.(texts[kind])))
    if (outcome instanceof Problem) expectClean(outcome)
    else expectHarmless(outcome, field, texts[kind])
  })
})

describe('in a gateway', () => {
  test.each(rows(gateways))('%s: %s', (field, kind) => {
    const outcome = outcomeOf(() => parseGateway(gateways[field]?.(texts[kind])))
    expect(outcome).toBeInstanceOf(Problem)
    if (outcome instanceof Problem) expectClean(outcome)
  })
})

function expectHarmless(forward: Forward, field: string, text: string): void {
  // A note may say anything in one line, and an interface may be called __proto__.
  expect(['note', 'listen interface']).toContain(field)
  expect(JSON.stringify(printForward(forward))).toContain(JSON.stringify(text).slice(1, -1))
  for (const { set, key, data } of elementsOf({ number: 1, forward }, nothingKnown)) {
    expect(`${set} ${key} ${data ?? ''}`).toMatch(/^[0-9a-zA-Z:._" -]+$/)
  }
}
