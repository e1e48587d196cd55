/** Rules in chains of iptables, by iptables itself: native expressions in its tables would make `iptables -L` and ufw fail. */
import { runProgram } from '../kernel/run.ts'
import type { ForeignChain } from '../model/foreign.ts'
import { type Mark, printMark } from '../model/gateway.ts'

const programs = { ip: 'iptables', ip6: 'ip6tables' } as const

/** A chain of the table `filter` of one family. */
export interface XtablesChain {
  readonly family: 'ip' | 'ip6'
  readonly name: string
}

export function chainsNamed(
  chains: readonly ForeignChain[],
  names: Record<'ip' | 'ip6', string>,
): XtablesChain[] {
  return (['ip', 'ip6'] as const).flatMap((family) =>
    chains.some((one) => one.family === family && one.table === 'filter' && one.name === names[family])
      ? [{ family, name: names[family] }]
      : [],
  )
}

/** The rule, as iptables-save prints it. */
export function acceptRule(mark: Mark): readonly string[] {
  return ['-m', 'connmark', '--mark', printMark(mark), '-m', 'comment', '--comment', comment, '-j', 'ACCEPT']
}

const comment = 'drawbridge'

/** Puts the rule first in the chain unless the chain has it. */
export async function accept({ family, name }: XtablesChain, mark: Mark): Promise<void> {
  const rule = acceptRule(mark)
  const { code } = await runProgram(programs[family], ['-w', '5', '-C', name, ...rule])
  if (code === 0) return
  await mustRun(programs[family], ['-w', '5', '-I', name, '1', ...rule])
}

/** Removes the rule, with whatever mark it was made. */
export async function removeAccepts({ family, name }: XtablesChain): Promise<void> {
  const { stdout } = await runProgram(programs[family], ['-w', '5', '-S', name])
  const ours = stdout
    .split('\n')
    .filter((line) => line.startsWith(`-A ${name} `) && line.includes(`--comment ${comment} `))
  for (const line of ours) {
    const [, , ...rule] = line.trim().split(/\s+/)
    await mustRun(programs[family], ['-w', '5', '-D', name, ...rule])
  }
}

async function mustRun(program: string, args: readonly string[]): Promise<void> {
  const { code, stderr } = await runProgram(program, args)
  if (code !== 0)
    throw new Error(`${program} ${args.join(' ')}: ${stderr.trim().split('\n')[0] || `exit ${code}`}`)
}
