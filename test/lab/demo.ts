/** `npm run demo`: Drawbridge at work in a lab, with real traffic, and open to be played with. */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type Drawbridge, startDrawbridge } from './drawbridge.ts'
import { type Lab, startLab } from './lab.ts'
import { isRoot } from './root.ts'

const picture = `
       client                  gateway                   server 10.0.0.5
  ┌─────────────┐     ┌────────────────────────┐       ┌─────────────────┐
  │ 203.0.113.2 │     │       Drawbridge       │    ┌──│ web        80   │
  │ 203.0.113.3 │─────│ 203.0.113.1   10.0.0.1 │────┤  │ database   5432 │
  └─────────────┘     └────────────────────────┘    │  └─────────────────┘
                                                    │    other 10.0.0.6
                                                    │  ┌─────────────────┐
                                                    └──│ game 10000-10100│
                                                       └─────────────────┘`

const forwards = [
  'open tcp/8080 10.0.0.5:80 --name web',
  'open udp/20000-20100 10.0.0.6:10000 --name game',
  'open tcp/5432 10.0.0.5 --name database --from 203.0.113.3',
]

const say = (text = '') => process.stdout.write(`${text}\n`)
// When the terminal is closed, what would be said goes nowhere, and the lab is still to be taken away.
process.stdout.on('error', () => {})
const indent = (text: string) => text.trimEnd().replace(/^/gm, '  ')

async function demo(): Promise<boolean> {
  // Before the lab, so that Ctrl-C at any time leaves by the way that takes it away.
  const interrupted = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => resolve())
  })
  await using lab = await startLab()
  say('A private lab of four hosts, as network namespaces. Nothing of it touches this machine.')
  say(picture)
  await startServers(lab)
  const drawbridge = await startDrawbridge(lab)

  say('\nThree ports are opened at the gateway, as an administrator would:\n')
  for (const typed of forwards) await types(drawbridge, typed)
  say('\nReal traffic of the client, which knows the gateway only:\n')
  const good = await report(lab)
  say('\nWhat the gateway has counted:\n')
  await types(drawbridge, 'list')
  if (process.env.DRAWBRIDGE_DEMO_ONCE === '1') return good

  say(invitation(lab, drawbridge))
  await interrupted
  say('\nThe lab is taken away.')
  return good
}

async function startServers({ server, other }: Lab): Promise<void> {
  await server.servesWeb(80, 'Hello from server 10.0.0.5, a page')
  await server.answers('tcp', 5432, { identity: 'database' })
  await other.answers('udp', '10000-10100', { identity: 'game' })
}

/** Shows a command as typed, and its answer. */
async function types(drawbridge: Drawbridge, typed: string): Promise<void> {
  say(`  $ drawbridge ${typed}`)
  const { code, stdout, stderr } = await drawbridge.cli(typed.split(' '))
  say(indent(`${stdout}${stderr}`))
  if (code !== 0) throw new Error(`drawbridge ${typed}: exit ${code}`)
}

interface Finding {
  readonly good: boolean
  readonly asked: string
  readonly found: string
}

async function report(lab: Lab): Promise<boolean> {
  const findings = [
    await asksWeb(lab),
    ...(await asksGame(lab)),
    await asksAllowed(lab),
    await asksRefused(lab),
  ]
  const width = Math.max(...findings.map(({ asked }) => asked.length))
  for (const { good, asked, found } of findings) say(`  ${good ? '✔' : '✘'} ${asked.padEnd(width)}  ${found}`)
  return findings.every(({ good }) => good)
}

async function asksWeb({ client, gateway }: Lab): Promise<Finding> {
  const request = 'GET / HTTP/1.0\r\nHost: demo\r\n\r\n'
  const reply = await client.exchanges(gateway.outside, 8080, request).catch(String)
  const page = reply.split('\r\n\r\n')[1]?.trim() ?? reply
  return { good: page.endsWith(client.ip), asked: 'web       http://203.0.113.1:8080', found: page }
}

function asksGame({ client, gateway }: Lab): Promise<Finding[]> {
  return Promise.all(
    [20000, 20042, 20100].map(async (port) => {
      const asked = `game      udp port ${port}`
      try {
        const {
          identity,
          port: reached,
          peer,
        } = await client.asks(gateway.outside, port, { protocol: 'udp' })
        const good = identity === 'game' && reached === port - 10_000 && peer === client.ip
        return { good, asked, found: `other answers on port ${reached} and sees ${peer}` }
      } catch (error) {
        return { good: false, asked, found: String(error) }
      }
    }),
  )
}

const allowed = '203.0.113.3'

async function asksAllowed({ client, gateway }: Lab): Promise<Finding> {
  const asked = `database  tcp port 5432 from ${allowed}`
  try {
    const { identity, peer } = await client.asks(gateway.outside, 5432, { from: allowed })
    return {
      good: identity === 'database' && peer === allowed,
      asked,
      found: `server answers and sees ${peer}`,
    }
  } catch (error) {
    return { good: false, asked, found: String(error) }
  }
}

/** Silence proves something only when the packets did arrive at the gateway. */
async function asksRefused({ client, gateway }: Lab): Promise<Finding> {
  const from = client.ip
  const asked = `database  tcp port 5432 from ${from}`
  const arriving = await gateway.watches(`ip saddr ${from} tcp dport 5432`)
  const answer = await client
    .asks(gateway.outside, 5432, { from, timeout: 500 })
    .catch((error: Error) => error)
  const packets = await arriving.count()
  await arriving.stop()
  const silent = answer instanceof Error && answer.message.endsWith('timeout')
  const found = silent
    ? `dropped: ${packets} packet arrived, none was answered`
    : 'answered, which it should not be'
  return { good: silent && packets > 0, asked, found }
}

function invitation({ client }: Lab, { state }: Drawbridge): string {
  const drawbridge = `${fileURLToPath(new URL('../../bin/drawbridge', import.meta.url))} --state ${state}`
  const enter = `nsenter ${isRoot ? '' : '--user --preserve-credentials '}--net --target ${client.pid()}`
  return `
Now it is yours. In another terminal, as the same user:

  change the gateway
    ${drawbridge} list
    ${drawbridge} open tcp/8081 10.0.0.5:80
    ${drawbridge} close web

  be the client
    ${enter} ${fetches('http://203.0.113.1:8080/')}
    ${enter} sh

Ctrl-C here takes everything away.`
}

/** Node is there for certain, curl is not. */
function fetches(url: string): string {
  const curl = ['/usr/bin/curl', '/usr/local/bin/curl'].find((path) => existsSync(path))
  if (curl) return `curl ${url}`
  return `${process.execPath} -e "fetch('${url}').then((r) => r.text()).then(console.log)"`
}

demo()
  .then((good) => {
    process.exitCode = good ? 0 : 1
  })
  .catch((error: Error) => {
    process.stderr.write(`demo: ${error.message}\n`)
    process.exitCode = 1
  })
