/**
 * The keeper of proxies: a process of an ordinary user without any capability, started when the first forward goes through a
 * proxy. HAProxy and nginx are its children and have no more than it has. It does what the agent says over a socket that
 * root and itself may use. When it ends, they go on; the next one takes them over. `main.ts --clear` ends them.
 */
import { rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { oneAfterTheOther } from '../inturn.ts'
import { readLines } from '../lines.ts'
import { ask, kinds } from './kinds.ts'
import {
  haproxySocket,
  keeperSocket,
  type ProxyAnswerOf,
  type ProxyMessage,
  proxyMessage,
} from './protocol.ts'
import { Service } from './service.ts'

const { values } = parseArgs({
  options: { directory: { type: 'string' }, clear: { type: 'boolean' }, supervised: { type: 'boolean' } },
})
/** A configuration of some thousand forwards with their certificates. */
const longestLine = 64 * 1024 * 1024

const directory = values.directory ?? '/run/drawbridge/proxy'
const services = {
  haproxy: new Service(kinds.haproxy, directory),
  nginx: new Service(kinds.nginx, directory),
}
for (const service of Object.values(services)) await service.adopt()

if (values.clear) for (const service of Object.values(services)) await service.stop(true)
else serve()

function serve(): void {
  const path = join(directory, keeperSocket)
  rmSync(path, { force: true })
  const inTurn = oneAfterTheOther()
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy())
    readLines(socket, longestLine, (line) => {
      const { id, message } = JSON.parse(line) as { id: number; message: unknown }
      void inTurn(() => answer(proxyMessage.parse(message))).then(
        (said) => socket.write(`${JSON.stringify({ id, answer: said })}\n`),
        (error: Error) => socket.write(`${JSON.stringify({ id, failure: error.message })}\n`),
      )
    })
  })
  // Its directory has root's group, and so has what is made in it (setgid, inode(7)).
  process.umask(0o117)
  server.listen(path, () => process.umask(0o077))
  const stop = () => {
    rmSync(path, { force: true })
    process.exit(0)
  }
  if (values.supervised) process.stdin.resume().on('close', stop)
  process.on('SIGTERM', stop)
  process.on('SIGINT', () => {})
}

async function answer(message: ProxyMessage): Promise<ProxyAnswerOf[ProxyMessage['verb']]> {
  switch (message.verb) {
    case 'run':
      return services[message.proxy].run(message)
    case 'tell':
      return tell(message)
    case 'stop':
      await services[message.proxy].stop(message.now)
      return {}
    case 'look':
      return { proxies: Object.values(services).map(({ state }) => state) }
  }
}

async function tell({ commands, text }: ProxyMessage & { verb: 'tell' }): Promise<ProxyAnswerOf['tell']> {
  const answers: string[] = []
  for (const command of commands) answers.push(await ask(join(directory, haproxySocket), `${command}\n`))
  if (text !== null) services.haproxy.keep(text)
  return { answers }
}
