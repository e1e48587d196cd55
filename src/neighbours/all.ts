/** Every neighbour that is known. */
import { cloudpanel } from './cloudpanel.ts'
import { docker } from './docker.ts'
import { firewalld } from './firewalld.ts'
import type { Neighbour } from './neighbour.ts'
import { ufw } from './ufw.ts'

export const neighbours: readonly Neighbour[] = [ufw, docker, firewalld, cloudpanel]
