/** A lab with a forward that works, the faults that can be put into it, and what shows whether packets come through. */
import { expect } from 'vitest'
import type { Patient } from '../../src/api/shapes-doctor.ts'
import type { Code } from '../../src/model/finding.ts'
import type { Drawbridge } from '../lab/drawbridge.ts'
import type { Lab } from '../lab/lab.ts'

export interface Scene {
  readonly lab: Lab
  readonly drawbridge: Drawbridge
  /** What ends the things that a fault has started, by a name of its own. */
  readonly ends: Map<string, () => Promise<unknown>>
}

export interface Opening {
  readonly listen: string
  readonly to: string | readonly string[]
  readonly wishes?: Parameters<Drawbridge['opens']>[2]
}

export interface Fault {
  readonly name: string
  /** What the headline must be. */
  readonly code: Code
  /** What the client notices. */
  readonly symptom?: string
  /** Left out: tcp/8080 to the server's port 80. */
  readonly opens?: (scene: Scene) => Opening
  /** The client's address, where the doctor is told of it. */
  readonly from?: string
  /** Before the forward is opened. */
  prepare?(scene: Scene): Promise<unknown>
  inject(scene: Scene): Promise<unknown>
  /** `command`: that which the finding gives, in the gateway; `fix`: what `doctor --fix` does; else what the remedy says. */
  readonly mend: 'command' | 'fix' | ((scene: Scene) => Promise<unknown>)
  /** What is left of the fault after the remedy is taken away. */
  readonly tidy?: (scene: Scene) => Promise<unknown>
  /** Left out: the client asks the forward and is answered. */
  readonly works?: (scene: Scene) => Promise<boolean>
  /** Takes long to bring about. */
  readonly long?: true
  /** Of some connections only. */
  readonly partial?: true
}

export const web: Opening = { listen: 'tcp/8080', to: '10.0.0.5:80', wishes: { name: 'web' } }

export const asks = ({ lab }: Scene, options: Parameters<Lab['client']['asks']>[2] = {}, port = 8080) =>
  lab.client
    .asks(options.from?.includes(':') ? lab.gateway.outside6 : lab.gateway.outside, port, {
      timeout: 400,
      ...options,
    })
    .then(
      () => true,
      () => false,
    )

export const sh = (host: Lab['server'], script: string) => host.run('sh', ['-ec', script])

export async function look(
  { drawbridge }: Scene,
  { from, symptom }: Pick<Fault, 'from' | 'symptom'> = {},
): Promise<Patient & { milliseconds: number }> {
  const began = performance.now()
  const page = await drawbridge.api.doctor({ name: 'web', from, symptom })
  const [patient] = page.forwards
  if (!patient) throw new Error('no patient')
  return { ...patient, milliseconds: performance.now() - began }
}

/** Has something run that `ends` ends later. */
export async function begin(
  { ends }: Scene,
  name: string,
  one: Promise<{ stop(): Promise<unknown> }>,
): Promise<void> {
  const { stop } = await one
  ends.set(name, stop)
}

export async function end({ ends }: Scene, name: string): Promise<void> {
  await ends.get(name)?.()
  ends.delete(name)
}

/** A program of a few words in a host, until it is ended. */
export async function program(
  scene: Scene,
  name: string,
  host: Lab['server'],
  source: string,
): Promise<void> {
  const running = host.spawn(process.execPath, ['-e', source])
  scene.ends.set(name, () => running.end('SIGKILL'))
  await running.says(/ready/)
}

const patience = { timeout: 6000, interval: 100 }

export async function worksNow(
  scene: Scene,
  { works = (one: Scene) => asks(one) }: Pick<Fault, 'works'>,
  wanted: boolean,
  why: string,
): Promise<void> {
  await expect.poll(() => works(scene), { ...patience, message: why }).toBe(wanted)
}

export async function mendAs(scene: Scene, fault: Fault, patient: Patient): Promise<void> {
  const { headline } = patient
  if (typeof fault.mend === 'function') return void (await fault.mend(scene))
  if (fault.mend === 'fix') {
    const mended = await scene.drawbridge.api.mend({ name: 'web', from: fault.from })
    expect(mended.mended?.code, 'mended').toBe(fault.code)
    return
  }
  expect(headline?.command, 'the finding gives a command').not.toBe('')
  await sh(scene.lab.gateway, headline?.command ?? 'false')
}
