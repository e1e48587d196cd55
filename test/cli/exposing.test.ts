import { expect, test } from 'vitest'
import type { ExposurePage } from '../../src/api/shapes.ts'
import type { Terminal } from '../../src/cli/world.ts'
import type { Exposure } from '../../src/model/exposure/exposure.ts'
import { runIn, startApi } from './lab.ts'

const service: Exposure = {
  kind: 'service',
  name: null,
  protocols: ['tcp'],
  families: [4, 6],
  ports: '22',
  addresses: [],
  interfaces: ['eth0'],
  state: 'open',
  anywhere: true,
  from: 'anywhere',
  banned: '',
  rule: 'no rule blocks it',
  behind: 'sshd (process 7 of ssh.service, user root)',
  answered: true,
  since: '2026-11-24T12:00:00Z',
  declared: false,
}

const forward: Exposure = {
  ...service,
  kind: 'forward',
  name: 'web',
  families: [4],
  ports: '8080',
  addresses: ['203.0.113.1'],
  behind: '10.0.0.5:80',
  answered: false,
  since: null,
  declared: true,
}

const pageOf = (exposures: readonly Exposure[], warnings: readonly string[] = []): ExposurePage => ({
  generation: 7,
  exposures,
  undeclared: exposures.filter(({ declared, state }) => !declared && state !== 'closed').length,
  unasked: 0,
  warnings,
})

const shown = async (page: ExposurePage, ...words: string[]) => {
  const api = await startApi(() => page)
  return runIn(api.state, ['exposure', ...words])
}

test('exposure says what is open, to whom, by which rule, and exits with 3 when something is not declared', async () => {
  const unread = {
    ...service,
    ports: '53',
    families: [6],
    state: 'unread',
    rule: 'cannot be read: x',
  } as const
  const { code, out, err } = await shown(pageOf([forward, service, unread], ['rules of old cannot be read']))
  expect(code).toBe(3)
  expect(out.split('\n').map((line) => line.split(/ {2,}/))).toEqual([
    ['WHAT', 'OPENING', 'STATE', 'FROM', 'BEHIND', 'RULE', 'SINCE'],
    [
      'forward web',
      'tcp/8080@203.0.113.1',
      'open, nobody answers',
      'anywhere',
      '10.0.0.5:80',
      'no rule blocks it',
    ],
    ['service', 'tcp/22', 'open', 'anywhere', service.behind, 'no rule blocks it', service.since],
    [
      'service',
      'tcp/53 (IPv6)',
      'open, as far as can be read',
      'anywhere',
      service.behind,
      unread.rule,
      service.since,
    ],
    ['2 exposures are open and not declared as a forward'],
    [''],
  ])
  expect(err).toBe('warning: rules of old cannot be read\n')
})

test('exposure exits with 0 when all that is open is declared, or nothing is', async () => {
  const closed = { ...service, state: 'closed', from: 'nobody', rule: 'blocked by x' } as const
  expect((await shown(pageOf([forward, closed]))).code).toBe(0)
  expect(await shown(pageOf([]))).toMatchObject({
    code: 0,
    out: 'nothing: no forward, and nothing listens for the outside\n',
  })
})

test('exposure with -o json is the page as it is', async () => {
  const page = pageOf([forward, service])
  const { code, out } = await shown(page, '-o', 'json')
  expect(code).toBe(3)
  expect(JSON.parse(out)).toEqual(page)
})

test('what a rule or a program is called reaches the terminal without control characters, anywhere in yellow', async () => {
  const api = await startApi(() => pageOf([{ ...service, behind: 'x\u001b]0;owned\u0007' }]))
  const terminal = { width: 80, colour: true } as Terminal
  const { out } = await runIn(api.state, ['exposure'], { terminal })
  expect(out).toContain('x\\u001b]0;owned\\u0007')
  expect(out).toContain('\u001b[33manywhere\u001b[39m')
})
