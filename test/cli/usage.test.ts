import { expect, test } from 'vitest'
import { runIn } from './lab.ts'

const commands = [
  'up',
  'down',
  'status',
  'accept',
  'open',
  'close',
  'enable',
  'disable',
  'lockdown',
  'drain',
  'undrain',
  'list',
  'show',
  'exposure',
  'trace',
  'doctor',
  'export',
  'plan',
  'apply',
  'history',
  'audit',
  'diff',
  'rollback',
  'confirm',
  'completion',
]

const usage = (...argv: string[]) => runIn('/srv/nothing', argv)

test.each([
  [['opne', 'tcp/1', '10.0.0.5'], "unknown command 'opne'", 'Did you mean open?'],
  [['list', '--stat', '/srv'], "unknown option '--stat'", 'Did you mean --state?'],
  [['open', 'tcp/1', '10.0.0.5', '--nmae', 'x'], "unknown option '--nmae'", 'Did you mean --name?'],
  [['frobnicate'], "unknown command 'frobnicate'", 'See: drawbridge --help'],
  [['list', '-o', 'xml'], "'xml' is invalid", 'table, json, yaml'],
  [['open', 'tcp/1', '10.0.0.5', '--on-change', 'wait'], "'wait' is invalid", 'drain, cut, keep'],
  [['open'], 'open: LISTEN is missing', 'For example: drawbridge open tcp/8443 10.0.0.5:443'],
  [['open', 'tcp/8443'], 'open: TARGET is missing', 'For example: drawbridge open tcp/8443 10.0.0.5:443'],
  [['close'], 'close: NAME is missing', 'For example: drawbridge close web'],
  [['show'], 'show: NAME is missing', 'For example: drawbridge show web'],
  [['apply'], 'apply: -f, --file <FILE> is missing', 'For example: drawbridge apply -f gateway.yaml'],
  [['open', 'tcp/1', '10.0.0.5', '--name'], "'--name <N>' argument missing", 'See: drawbridge open --help'],
  [['list', 'web'], "too many arguments for 'list'", 'See: drawbridge list --help'],
  [['status', '--wait', '10'], '--wait: "10" is not a duration', '15m'],
  [['completion', 'tcsh'], '"tcsh" is not a shell', 'bash, zsh, fish'],
  [['completion', 'toString'], '"toString" is not a shell', 'bash, zsh, fish'],
  [['list', '--state', ''], '--state is empty', 'directory'],
])('%j is wrong usage', async (argv, title, remedy) => {
  const { code, out, err } = await usage(...argv)
  expect([code, out]).toEqual([2, ''])
  expect(err).toMatch(/^drawbridge: .*\n {2}.*\n$/)
  expect(err).toContain(title)
  expect(err).toContain(remedy)
})

test('wrong usage with -o json is one JSON value too', async () => {
  const { code, out } = await usage('list', '--bogus', '-o', 'json')
  expect(code).toBe(2)
  expect(JSON.parse(out).problem).toMatchObject({
    code: 'misused',
    status: 400,
    title: "unknown option '--bogus'",
  })
})

test('what was typed reaches the terminal without control characters', async () => {
  const { err } = await usage('\u001b]0;owned\u0007')
  expect(err).toContain("unknown command '\\u001b]0;owned\\u0007'")
})

test('no command at all is wrong usage, answered with the help', async () => {
  const { code, out, err } = await usage()
  expect([code, out]).toEqual([2, ''])
  expect(err).toContain('Usage: drawbridge')
})

test('the help names the commands there are, and no others', async () => {
  const { code, out } = await usage('--help')
  expect(code).toBe(0)
  const section = out.slice(out.indexOf('Commands:'), out.indexOf('Examples:'))
  expect(section.match(/^ {2}[a-z]+/gm)?.map((name) => name.trim())).toEqual([...commands, 'help'])
})

test.each(commands)(
  'the help of %s fits 80 columns, knows the common flags and ends with examples',
  async (name) => {
    const { code, out } = await usage(name, '--help')
    expect(code).toBe(0)
    expect(out).toContain('--state <DIR>')
    expect(out).toContain('-o, --output <FORMAT>')
    expect(out).toMatch(/\n\nExamples:\n( {2}.*drawbridge .*\n)+$/)
    for (const line of out.slice(0, out.indexOf('Examples:')).split('\n'))
      expect(line.length).toBeLessThanOrEqual(80)
  },
)

test.each(['flows', 'import'])('%s is not built yet and does not exist', async (name) => {
  expect((await usage(name)).err).toContain(`unknown command '${name}'`)
})

test('--version is the version of the package', async () => {
  expect(await usage('--version')).toEqual({ code: 0, out: '1.2.3\n', err: '' })
})

test('a failure of our own is told as one', async () => {
  const { code, err } = await runIn('/srv/nothing', ['up'], {
    up: () => Promise.reject(new Error('no \u001b legs')),
  })
  expect(code).toBe(1)
  expect(err).toContain('drawbridge: Drawbridge failed inside: no \\u001b legs\n')
})
