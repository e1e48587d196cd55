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
  return ['-m', 'connmark', '--mark', printMark(mark), ...signed]
}

const signed = ['-m', 'comment', '--comment', 'drawbridge', '-j', 'ACCEPT']

/** What ends a chain for every packet: the RETURN of older Dockers, or a policy written as a rule. */
const forAll = /^-A \S+ -j (RETURN|DROP|REJECT\b.*)$/

/**
 * Makes this the only rule of ours in the chain. It comes after every rule with a condition, so that what the operator, or
 * a program that bans, drops there is dropped for forwards too.
 */
export async function accept(chain: XtablesChain, mark: Mark): Promise<void> {
  const { family, name } = chain
  const lines = await readRules(chain)
  const wanted = `-A ${name} ${acceptRule(mark).join(' ')}`
  if (!lines.includes(wanted)) {
    const place = forAll.test(lines.at(-1) ?? '') ? ['-I', name, `${lines.length}`] : ['-A', name]
    await mustRun(programs[family], [...place, ...acceptRule(mark)])
  }
  await remove(
    chain,
    lines.filter((line) => line !== wanted),
  )
}

/** Removes the rule, with whatever mark it was made. */
export async function removeAccepts(chain: XtablesChain): Promise<void> {
  await remove(chain, await readRules(chain))
}

/** Removes those of ours among these rules. */
async function remove({ family, name }: XtablesChain, lines: readonly string[]): Promise<void> {
  const [before, after] = [`-A ${name} -m connmark --mark `, ` ${signed.join(' ')}`]
  for (const line of lines.filter((one) => one.startsWith(before) && one.endsWith(after)))
    await mustRun(programs[family], ['-D', ...line.split(' ').slice(1)])
}

/** The rules of a chain in their order. Throws when they cannot be told: then nobody knows whether ours is among them. */
async function readRules({ family, name }: XtablesChain): Promise<readonly string[]> {
  const listed = await mustRun(programs[family], ['-S', name])
  return listed.split('\n').filter((line) => line.startsWith('-A '))
}

async function mustRun(program: string, args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await runProgram(program, ['-w', '5', ...args])
  if (code === 0) return stdout
  throw new Error(`${program} ${args.join(' ')}: ${stderr.trim().split('\n')[0] || `exit ${code}`}`)
}
