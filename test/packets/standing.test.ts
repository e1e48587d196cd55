/** What an operator stands on: with a real sshd, a change that may cut its author off is made on trial only. */
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type Drawbridge, startDrawbridge } from '../lab/drawbridge.ts'
import { type Lab, startLab } from '../lab/lab.ts'
import { alone } from '../lab/root.ts'
import { type Session, type Sshd, startSshd } from '../lab/ssh.ts'

const launcher = fileURLToPath(new URL('../../bin/drawbridge', import.meta.url))

/** sshd needs the user that it becomes: in a user namespace there is none. */
describe.runIf(!alone)('over SSH (wants root of the machine)', () => {
  let lab: Lab
  let drawbridge: Drawbridge
  let sshd: Sshd
  let session: Session
  const asked = (command: string) => `${launcher} --state ${drawbridge.state} ${command}`
  const here = (command: string) => session.runs(asked(command))
  const anew = (command: string) => sshd.runs(asked(command))
  const pending = async () => (await drawbridge.api.status(0)).pending

  beforeAll(async () => {
    lab = await startLab()
    drawbridge = await startDrawbridge(lab)
    sshd = await startSshd(lab)
    await lab.server.answers('tcp', 22)
    await lab.server.answers('tcp', 80)
    session = await sshd.session()
  })
  afterEach(async () => {
    if (await pending()) await drawbridge.api.confirm()
  })
  afterAll(() => lab?.close())

  test('the port of sshd is taken on trial only; whoever cannot log in anew cannot confirm; then all is as before', async () => {
    const { server } = lab
    const take = `open tcp/22 ${server.at(22)} --name ssh --privileged --take-over`
    const plan = await here(`${take} --dry-run`)
    expect(plan.stdout).toMatch(/^needs --confirm: sshd serves at tcp port 22, which tcp\/22 takes$/m)
    const refused = await here(take)
    expect(refused.code).toBe(1)
    expect(refused.stderr).toMatch(/the change touches what you stand on: sshd serves at tcp port 22/)
    expect(refused.stderr).toMatch(/Add --confirm 60s/)
    await expect(drawbridge.api.forward('ssh')).rejects.toThrow(/no forward/)

    const tried = await here(`${take} --confirm 5s`)
    expect([tried.code, tried.stdout]).toEqual([
      0,
      expect.stringMatching(/say in a new SSH session: drawbridge confirm/),
    ])
    // Nobody can log in any more, and the session from before proves nothing.
    expect((await lab.client.asks(lab.gateway.outside, 22)).identity).toBe('server')
    const old = await here('confirm')
    expect([old.code, old.stderr]).toEqual([
      1,
      expect.stringMatching(/this SSH session from 203\.0\.113\.2 is older/),
    ])
    await expect
      .poll(async () => (await drawbridge.api.history(0, 1))[0]?.how, { timeout: 15_000 })
      .toBe('revert')
    expect((await sshd.runs('echo back')).stdout).toBe('back\n')
  }, 60_000)

  test('the port of sshd, opened here to others: on trial only, as nobody else could log in anew', async () => {
    const narrow = 'open tcp/22 self:22 --name ssh --privileged --from 198.51.100.0/24'
    const refused = await here(narrow)
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringMatching(/sshd serves at tcp port 22, which tcp\/22 decides about/),
    ])
    expect((await sshd.runs('echo in')).stdout).toBe('in\n')
    expect((await here(`${narrow} --confirm 4s`)).code).toBe(0)
    await expect(lab.client.exchanges(lab.gateway.outside, 22, '', { timeout: 500 })).rejects.toThrow(
      /timeout/,
    )
    await expect
      .poll(async () => (await drawbridge.api.history(0, 1))[0]?.how, { timeout: 15_000 })
      .toBe('revert')
    expect((await sshd.runs('echo in')).stdout).toBe('in\n')
    expect((await session.runs('echo back')).stdout).toBe('back\n')
  }, 60_000)

  test('a list that holds the address of a session: additions pass, anything else is on trial until a new session confirms', async () => {
    const { server } = lab
    await drawbridge.api.apply({
      gateway: {
        version: 1,
        lists: { office: ['203.0.113.0/24', '198.51.100.0/24'] },
        forwards: [{ name: 'web', listen: 'tcp/8000', to: server.at(80), from: 'office' }],
      },
    })
    const office = (...entries: string[]) =>
      `printf 'version: 1\\nlists: { office: [${entries.join(', ')}] }\\n' | ${asked('apply -f - ')}`
    expect((await session.runs(office('203.0.113.0/24', '198.51.100.0/24', '192.0.2.0/24'))).code).toBe(0)

    const narrowed = office('198.51.100.0/24')
    const refused = await session.runs(narrowed)
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringMatching(/list office holds 203\.0\.113\.2, from where an SSH session is open/),
    ])
    expect((await lab.client.asks(lab.gateway.outside, 8000)).identity).toBe('server')

    expect((await session.runs(`${narrowed} --confirm 30s`)).code).toBe(0)
    await expect(lab.client.asks(lab.gateway.outside, 8000)).rejects.toThrow(/timeout/)
    expect((await here('confirm')).code).toBe(1)
    expect((await anew('confirm')).stdout).toMatch(/^kept: generation/)
    expect(await pending()).toBeNull()
    // Knowingly, without a trial.
    expect((await session.runs(`${office('203.0.113.0/24')} --confirm 0`)).code).toBe(0)
    expect((await session.runs(`${office('192.0.2.0/24')} --confirm 0`)).code).toBe(0)
    expect(await pending()).toBeNull()
  })

  test('at the console too, where somebody else’s session would lose its admission; the console itself confirms', async () => {
    const { server } = lab
    await drawbridge.opens('tcp/8001', server.at(80), { name: 'open-to-all' })
    const narrower = {
      version: 1,
      forwards: [{ name: 'open-to-all', listen: 'tcp/8001', to: server.at(80), from: '198.51.100.0/24' }],
    }
    await expect(drawbridge.api.apply({ gateway: narrower })).rejects.toThrow(
      /open-to-all would refuse 203\.0\.113\.2, from where an SSH session is open/,
    )
    expect((await drawbridge.api.apply({ gateway: narrower, confirm: 30 })).pending).toMatchObject({
      new_session: false,
    })
    await drawbridge.api.confirm()
    expect(await pending()).toBeNull()
  })

  test('the forward by which the session came: closed on trial only; a lockdown keeps the session', async () => {
    const { gateway, client } = lab
    await drawbridge.opens('tcp/2222', `${gateway.inside}:22`, { name: 'door', onChange: 'cut' })
    await drawbridge.opens('tcp/8002', lab.server.at(80), { name: 'other-one' })
    const through = await sshd.session(2222)
    expect((await through.runs('echo $SSH_CONNECTION')).stdout).toMatch(
      /^203\.0\.113\.2 \d+ 10\.0\.0\.1 22$/m,
    )
    const closing = await through.runs(asked('close door'))
    expect([closing.code, closing.stderr]).toEqual([
      1,
      expect.stringMatching(/it ends the connection over which this command came/),
    ])
    expect((await through.runs(asked('close other-one --dry-run'))).stdout).not.toMatch(/needs --confirm/)
    // A pane of tmux names the session in which tmux was started, which may be over for long.
    const inPane = (command: string) =>
      through.runs(`SSH_CONNECTION='203.0.113.2 1 10.0.0.1 22' ${asked(command)}`)
    const closed = await inPane('close door')
    expect([closed.code, closed.stderr]).toEqual([
      1,
      expect.stringMatching(/it ends an SSH session over which this command may have come/),
    ])
    expect((await inPane('close other-one --dry-run')).stdout).not.toMatch(/needs --confirm/)

    expect((await through.runs(asked('lockdown'))).stdout).toMatch(/no forward is open/)
    await expect(client.asks(gateway.outside, 8002)).rejects.toThrow(/refused/)
    expect((await through.runs('echo alive')).stdout).toBe('alive\n')
    expect((await through.runs(asked('lockdown --lift'))).stdout).toMatch(/open again/)
    expect((await client.asks(gateway.outside, 8002)).identity).toBe('server')
    await through.end()
  })
})
