/** Checks of HTTP and HTTPS against nginx. */
import { beforeAll, describe, expect, test } from 'vitest'
import { startTlsNginx } from '../../lab/databases.ts'
import { startNginx } from '../../lab/servers.ts'
import { labOfFile, says } from './asking.ts'

const lab = labOfFile()

describe('http', () => {
  beforeAll(async () => {
    await startNginx(lab(), lab().server, 8080, 'healthy as can be')
  })

  test('nginx, by its status, its body and over both families', async () => {
    expect(await says('http', 8080)).toBe('')
    expect(await says({ check: 'http', body: 'healthy' }, 8080)).toBe('')
    expect(await says({ check: 'http', body: 'for 10.0.0.1' }, 8080)).toBe('')
    expect(await says('http', 8080, lab().server.ip6)).toBe('')
  })

  test('nginx that gives another status or body than is wanted', async () => {
    expect(await says({ check: 'http', status: 204 }, 8080)).toBe('dead: it answers with the status: "200"')
    expect(await says({ check: 'http', body: 'ill' }, 8080)).toBe(
      'dead: its answer does not contain the text: "ill"',
    )
  })

  test('is no https', async () => {
    expect(await says('https', 8080)).toMatch(/^dead: it cannot be talked to by TLS/)
  })
})

describe('https', () => {
  beforeAll(async () => {
    await startTlsNginx(lab(), lab().server, 8443, 365)
    await startTlsNginx(lab(), lab().server, 8444, 5)
  })

  test('nginx, by its status and with the name it is asked for', async () => {
    expect(await says('https', 8443)).toBe('')
    const named = {
      check: 'https',
      host: 'app.example.org',
      body: 'host app.example.org name app.example.org',
    } as const
    expect(await says(named, 8443)).toBe('')
    expect(await says({ check: 'https', body: 'host 10.0.0.5:8443 name' }, 8443)).toBe('')
    expect(await says({ check: 'https', path: '/broken' }, 8443)).toBe(
      'dead: it answers with the status: "503"',
    )
  })

  test('a redirect is an answer, and nobody goes where it leads', async () => {
    const leaving = await lab().gateway.watches('ip daddr 169.254.169.254')
    expect(await says({ check: 'https', path: '/moved' }, 8443)).toBe('')
    expect(await says({ check: 'https', path: '/moved', status: 200 }, 8443)).toBe(
      'dead: it answers with the status: "302"',
    )
    expect(await leaving.count()).toBe(0)
  })

  test('a certificate that ends soon is a warning, and no reason to be out', async () => {
    expect(await says('https', 8444)).toMatch(/^its certificate ends on \d{4}-\d\d-\d\d$/)
  })

  test('is no http', async () => {
    expect(await says('http', 8443)).toBe('dead: it answers with the status: "400"')
    expect(await says('redis', 8443)).toMatch(/^dead: it (does not speak this protocol|closed)/)
  })
})
