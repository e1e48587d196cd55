/** Every neighbour that is known. */
import { docker } from './docker.ts'
import type { Neighbour } from './neighbour.ts'
import { ufw } from './ufw.ts'

export const neighbours: readonly Neighbour[] = [ufw, docker]
