/**
 * A rule as its operator wrote it: in a table of iptables by iptables, elsewhere by nft, each as a child process, as nft 1.0.6
 * can crash on a rule that it cannot print and would take us with it. A rule is found by its place in its chain.
 */
import { runProgram } from '../run.ts'

const xtables: Readonly<Record<string, string>> = { ip: 'iptables', ip6: 'ip6tables' }
const xtablesTables: ReadonlySet<string> = new Set(['filter', 'nat', 'mangle', 'raw', 'security'])

export interface ListedChain {
  /** `ip filter` */
  readonly table: string
  readonly chain: string
  /** The handles of its rules, in their order. */
  readonly handles: readonly number[]
}

/** The texts of the rules of a chain by handle; none that could not be told. */
export async function ruleWords({
  table,
  chain,
  handles,
}: ListedChain): Promise<ReadonlyMap<number, string>> {
  const [family = '', name = ''] = table.split(' ')
  const program = xtables[family]
  if (program && xtablesTables.has(name)) {
    const { code, stdout } = await runProgram(program, ['-w', '2', '-t', name, '-S', chain])
    const lines = stdout.split('\n').filter((line) => line.startsWith('-A '))
    if (code === 0 && lines.length === handles.length)
      return new Map(handles.map((handle, at) => [handle, lines[at] ?? '']))
  }
  const { stdout } = await runProgram('nft', ['-a', '-s', 'list', 'chain', family, name, chain])
  const found = stdout.matchAll(/^\t\t(.*) # handle (\d+)$/gm)
  return new Map([...found].map(([, text = '', handle]) => [Number(handle), text.trim()]))
}
