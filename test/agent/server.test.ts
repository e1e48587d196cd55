/** The agent's socket before a controller that wants to use up its memory. */
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { serve } from '../../src/agent/server.ts'
import { readLines } from '../../src/lines.ts'

const connected = (path: string) =>
  new Promise<Socket>((resolve) => {
    const socket: Socket = connect(path, () => resolve(socket))
    socket.on('error', () => socket.destroy())
  })

test('who asks without reading is answered no further, and in full once it reads; too many at a time are turned away', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'drawbridge-server-'))
  const path = join(directory, 'agent.sock')
  let asked = 0
  const large = 'x'.repeat(1024 * 1024)
  const server = await serve(path, async () => {
    asked += 1
    return [{ number: asked, connections: 0, refused: 0, limited: 0, large }] as never
  })
  const flooding = await connected(path)
  t.onTestFinished(() => {
    flooding.destroy()
    server.close()
    rmSync(directory, { recursive: true })
  })
  const count = 300
  const lines = Array.from(
    { length: count },
    (_, id) => `${JSON.stringify({ id, message: { verb: 'counts', numbers: null } })}\n`,
  )
  flooding.write(lines.join(''))
  await expect.poll(() => asked).toBeGreaterThanOrEqual(64)
  const others = await Promise.all(Array.from({ length: 7 }, () => connected(path)))
  const onemore = await connected(path)
  await new Promise((resolve) => onemore.once('close', resolve))
  for (const one of others) expect(one.destroyed).toBe(false)
  for (const one of others) one.destroy()
  expect(asked).toBeLessThanOrEqual(64 + 1)

  const answered: number[] = []
  readLines(flooding, Number.POSITIVE_INFINITY, (line) => answered.push(JSON.parse(line).id))
  await expect.poll(() => answered.length, { timeout: 20_000 }).toBe(count)
  expect(new Set(answered).size).toBe(count)
})
