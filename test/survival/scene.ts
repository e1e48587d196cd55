/** A lab with Drawbridge in it whose processes can be had to die. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type FaultPoint, faultPoints } from '../../src/faults.ts'
import { type Drawbridge, startDrawbridge } from '../lab/drawbridge.ts'
import { type Lab, startLab } from '../lab/lab.ts'
import type { Trap } from './crash.ts'
import { ownPort } from './witnesses.ts'

export interface Scene {
  readonly lab: Lab
  readonly drawbridge: Drawbridge
  /** Has whoever reaches the point for the n-th time die there. */
  pointTrap(point: FaultPoint, times?: number): Trap
}

export async function startScene(t: Parameters<typeof startLab>[0]): Promise<Scene> {
  const lab = await startLab(t)
  const { server, other, gateway } = lab
  for (const host of [server, other]) {
    await host.answers('tcp', 80)
    await host.answers('udp', 80)
  }
  await gateway.answers('tcp', ownPort)
  const directory = mkdtempSync(join(tmpdir(), 'drawbridge-faults-'))
  // Whichever process dies takes the words away, and the controller is an ordinary user.
  chmodSync(directory, 0o777)
  lab.defer(async () => rmSync(directory, { recursive: true, force: true }))
  const file = join(directory, 'point')
  const drawbridge = await startDrawbridge(lab, ['env', `DRAWBRIDGE_FAULTS=${file}`])
  return {
    lab,
    drawbridge,
    pointTrap: (point, times = 1) => ({
      part: isOfAgent(point) ? 'agent' : 'controller',
      where: `${point}:${times}`,
      lay: async () => {
        writeFileSync(file, `${point}:${times}`)
        chmodSync(file, 0o666)
        return async () => rmSync(file, { force: true })
      },
    }),
  }
}

function isOfAgent(point: FaultPoint): boolean {
  return (faultPoints.agent as readonly FaultPoint[]).includes(point)
}
