/**
 * Docker's API on its Unix socket (docs.docker.com/engine/api), asked and never told. Whatever answers there can neither
 * keep us waiting nor fill the memory: each answer has its time and its length.
 */
import { existsSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { readText } from '../reading.ts'

const patience = 5_000
/** A container is some 1,500 bytes of it. */
const longest = 16 * 1024 * 1024
/** Whoever tells something all the time is heard so often only, in milliseconds. */
const breath = 50

const sockets = ['/run/docker.sock', '/var/run/docker.sock']
const pidFiles = ['/run/docker.pid', '/var/run/docker.pid', '/run/snap.docker/docker.pid']

/**
 * The socket of a Docker that runs. That there is a socket does not say so: systemd holds it while Docker is stopped and
 * would start it again for whoever connects (docker.socket), so the process is looked for. A place that was named is taken
 * at its word.
 */
export function findDaemon(named = process.env.DOCKER_HOST): string | undefined {
  const path = /^unix:\/\/(\/.+)$/.exec(named ?? '')?.[1]
  if (path !== undefined) return existsSync(path) ? path : undefined
  return pidFiles.some(isAlive) ? sockets.find((one) => existsSync(one)) : undefined
}

function isAlive(pidFile: string): boolean {
  const pid = readText(pidFile)?.trim() ?? ''
  return /^\d+$/.test(pid) && existsSync(`/proc/${pid}`)
}

/** The JSON that it answers with. Rejects when it does not, or too late, or with too much. */
export async function ask(socket: string, path: string): Promise<unknown> {
  const response = await open(socket, path, AbortSignal.timeout(patience))
  const parts: Buffer[] = []
  let bytes = 0
  for await (const part of response) {
    bytes += part.length
    if (bytes > longest) throw new Error('its answer is too long')
    parts.push(part)
  }
  return JSON.parse(Buffer.concat(parts).toString())
}

/**
 * Calls `heard` when it begins to tell and whenever it tells something, whatever that is. Resolves when it has ended, and
 * rejects when it never began.
 */
export async function listen(socket: string, path: string, heard: () => void): Promise<void> {
  const beginning = new AbortController()
  const timer = setTimeout(() => beginning.abort(), patience)
  const response = await open(socket, path, beginning.signal).finally(() => clearTimeout(timer))
  heard()
  await new Promise<void>((resolve) => {
    response.on('data', () => {
      heard()
      response.pause()
      setTimeout(() => response.resume(), breath)
    })
    response.on('error', () => response.destroy())
    response.once('close', resolve)
  })
}

function open(socketPath: string, path: string, signal: AbortSignal): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, path, signal, agent: false, headers: { host: 'docker' } })
    asked.once('response', (response) => {
      if (response.statusCode === 200) return resolve(response)
      response.destroy()
      reject(new Error(`it answers with status ${response.statusCode}`))
    })
    asked.on('error', (error) =>
      reject(
        signal.aborted ? new Error(`it has not answered in ${patience / 1000} s`, { cause: error }) : error,
      ),
    )
    asked.end()
  })
}
