/** What answers in the place of the keeper of proxies: whoever has broken into a proxy is the same user. */
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { proxyKeeperAt } from '../../src/agent/keeping.ts'

test('nonsense from the socket of the keeper is refused, and the agent goes on', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'drawbridge-keeping-'))
  const path = join(directory, 'keeper.sock')
  let answer = ''
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy())
    socket.on('data', () => socket.write(answer))
  }).listen(path)
  t.onTestFinished(() => {
    server.close()
    rmSync(directory, { recursive: true })
  })
  let away = 0
  const keeper = proxyKeeperAt(path, () => {})
  keeper.onAway(() => {
    away += 1
  })
  const look = () => keeper.ask({ verb: 'look' }, false)
  answer = '{"id":1,"answer":{"proxies":[]}}\n'
  expect(await look()).toEqual({ proxies: [] })
  answer = '{"id":2,"answer":{"proxies":7}}\n'
  await expect(look()).rejects.toThrow()
  for (const nonsense of ['}\n', 'null\n', '{"id":"3","answer":{}}\n', '[]\n']) {
    answer = nonsense
    await expect(look()).rejects.toThrow('the keeper of proxies has gone')
  }
  expect(away).toBe(4)
})
