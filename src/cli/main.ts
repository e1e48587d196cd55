/** The command line client: a client of the API for terminals. This file joins it to the real process. */
import { readFileSync } from 'node:fs'
import { run } from './program.ts'
import type { World } from './world.ts'

const { stdout, stderr, env } = process

/** Other programs cut a long list short (`| head`); that is no failure of ours. */
for (const stream of [stdout, stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
  })
}

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string
}

const world: World = {
  terminal: {
    out: (text) => {
      stdout.write(text)
      return stdout.errored === null
    },
    err: (text) => stderr.write(text),
    width: Math.max(80, stdout.columns ?? 80),
    colour: stdout.isTTY && !env.NO_COLOR && env.TERM !== 'dumb',
  },
  env,
  stdin: process.stdin,
  now: Date.now,
  version,
  up: async (options) => (await import('../up.ts')).up(options),
  clearKernel: async (options) => (await import('../up.ts')).clearKernel(options),
}

process.exitCode = await run(process.argv.slice(2), world)
