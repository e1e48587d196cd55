import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type ApiServer, changed, line, plan, runIn, startApi, typed, webSentence } from './lab.ts'

const gateway = {
  version: 1,
  lists: { office: ['2001:db8:7::/48'] },
  forwards: [
    { name: 'web', listen: 'tcp/8080', to: '10.0.0.5:80', note: 'yes', expires: '2027-01-31T00:00:00Z' },
  ],
}

const lines = [
  line(),
  line({ verb: 'change', name: 'games', before: 'before: \u001b[31m' }),
  line({ verb: 'remove', what: 'list', name: 'office', sentence: 'no forward names it any more' }),
]

const found = plan(lines, { nft: 'add element inet drawbridge targets4 { … }\n' })

function fileIn({ state }: ApiServer, content: string): string {
  const path = join(state, 'gateway.yaml')
  writeFileSync(path, content)
  return path
}

test('what export prints, apply sends back', async () => {
  const api = await startApi(({ method }) => (method === 'GET' ? { generation: 7, gateway } : changed([])))
  for (const format of ['table', 'json', 'yaml']) {
    const { out } = await runIn(api.state, ['export', '-o', format])
    await runIn(api.state, ['apply', '-f', fileIn(api, out), '--prune', '--privileged'])
    expect(api.asked.at(-1)?.body).toEqual({ gateway, prune: true, privileged: true })
  }
  expect((await runIn(api.state, ['export'])).out).toMatch(/^version: 1\n/)
  expect(JSON.parse((await runIn(api.state, ['export', '-o', 'json'])).out)).toEqual(gateway)
})

test('plan exits 3 when something would change and says what', async () => {
  const api = await startApi(() => found)
  const ran = await runIn(api.state, ['plan', '-f', '-', '--prune'], { stdin: typed('version: 1') })
  expect(ran.code).toBe(3)
  expect(ran.out.trimEnd().split('\n')).toEqual([
    `would add web: ${webSentence}`,
    `would change games: ${webSentence}`,
    '  before: before: \\u001b[31m',
    'would remove list office: no forward names it any more',
    'live connections: none is touched',
    'on generation 7; to make this change and no other, add --based 7',
  ])
  expect(api.asked.map(({ path, body }) => [path, body])).toEqual([
    ['/api/v1/plan', { gateway: { version: 1 }, prune: true }],
  ])
})

test('plan --nft adds what nft would be told', async () => {
  const api = await startApi(() => found)
  const { out } = await runIn(api.state, ['plan', '-f', fileIn(api, 'version: 1'), '--nft'])
  expect(out.endsWith(`\n\n${found.nft}`)).toBe(true)
})

test('plan exits 0 when nothing would change', async () => {
  const api = await startApi(() => plan([]))
  const ran = await runIn(api.state, ['plan', '-f', fileIn(api, 'version: 1')])
  expect(ran).toEqual({ code: 0, out: 'already so: nothing differs from generation 7\n', err: '' })
})

test('plan -o json keeps its exit code', async () => {
  const api = await startApi(() => found)
  const ran = await runIn(api.state, ['plan', '-o', 'json', '-f', fileIn(api, 'version: 1')])
  expect(ran.code).toBe(3)
  expect(JSON.parse(ran.out)).toEqual(found)
})

test('apply says what it did, and with --dry-run what it would do', async () => {
  const api = await startApi(() => changed([line()]))
  const path = fileIn(api, 'version: 1')
  expect((await runIn(api.state, ['apply', '-f', path])).out).toBe(`added web: ${webSentence}\n`)
  expect(api.asked.at(-1)?.body).toEqual({ gateway: { version: 1 } })
  const dry = await runIn(api.state, ['apply', '-f', path, '--dry-run'])
  expect(dry.code).toBe(0)
  expect(dry.out).toMatch(`would add web: ${webSentence}\n`)
  expect(api.asked.at(-1)?.body).toEqual({ gateway: { version: 1 }, dry_run: true })
})

test('a file that cannot be read is told before anything is asked', async () => {
  const api = await startApi(() => changed([]))
  expect((await runIn(api.state, ['apply', '-f', join(api.state, 'nothing.yaml')])).code).toBe(2)
  const broken = await runIn(api.state, ['plan', '-f', fileIn(api, 'a: [1'), '-o', 'json'])
  expect(broken.code).toBe(2)
  expect(JSON.parse(broken.out).problem).toMatchObject({ code: 'bad-document', status: 400 })
  expect(api.asked).toEqual([])
})

test('a change of very many is told by its first lines', async () => {
  const api = await startApi(() => changed([line()], { plan: plan([line()], { more: 63_999 }) }))
  const { out } = await runIn(api.state, ['apply', '-f', fileIn(api, 'version: 1')])
  expect(out).toMatch(/^added .*\nand 63999 more\n$/)
})
