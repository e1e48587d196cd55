/** What is different from one proxy to the other: how it is started, checked, told of a new configuration, and asked. */
import { connect } from 'node:net'
import { join } from 'node:path'
import { haproxySocket, type ProxyState } from './protocol.ts'

type ProxyName = ProxyState['proxy']

export interface Kind {
  readonly name: ProxyName
  readonly program: string
  /** To check the configuration in this file. */
  check(file: string, directory: string): readonly string[]
  start(file: string, directory: string): readonly string[]
  /** Takes up a new configuration; those who are connected are not disturbed. */
  readonly reload: NodeJS.Signals
  /** Ends when its last connection has; the listening ports are given up at once. */
  readonly softStop: NodeJS.Signals
  /** Sockets that an earlier one may have left, and that would be in the way of a new one. */
  sockets(directory: string): readonly string[]
  /** The stamp of the configuration with which it serves now; '' when it does not answer. */
  stamp(directory: string): Promise<string>
}

const haproxy: Kind = {
  name: 'haproxy',
  program: 'haproxy',
  check: (file) => ['-c', '-q', '-f', file],
  start: (file) => ['-W', '-f', file],
  reload: 'SIGUSR2',
  softStop: 'SIGUSR1',
  sockets: () => [],
  stamp: async (directory) => {
    const info = await ask(join(directory, haproxySocket), 'show info\n')
    return /^description: drawbridge-([0-9a-f]{16})$/m.exec(info)?.[1] ?? ''
  },
}

const nginx: Kind = {
  name: 'nginx',
  program: 'nginx',
  check: (file, directory) => ['-t', '-q', '-e', 'stderr', '-p', directory, '-c', file],
  start: (file, directory) => ['-e', 'stderr', '-p', directory, '-c', file],
  reload: 'SIGHUP',
  softStop: 'SIGQUIT',
  sockets: (directory) => [join(directory, 'nginx.sock')],
  stamp: async (directory) => {
    const said = await ask(join(directory, 'nginx.sock'), '')
    return /^drawbridge-([0-9a-f]{16})$/m.exec(said)?.[1] ?? ''
  },
}

export const kinds: Readonly<Record<ProxyName, Kind>> = { haproxy, nginx }

const patience = 5000

/** Says `line` and gives everything that comes back until the other side ends; '' when nobody is there. */
export function ask(path: string, line: string): Promise<string> {
  return new Promise((resolve) => {
    let said = ''
    const socket = connect(path)
    socket.setTimeout(patience, () => socket.destroy())
    socket.setEncoding('utf8')
    socket.on('data', (piece: string) => {
      said += piece
    })
    socket.on('error', () => socket.destroy())
    socket.on('close', () => resolve(said))
    if (line !== '') socket.write(line)
  })
}
