/** What a command is, as data, and how it becomes one of commander's. */
import type { Command, CommanderError, Option } from 'commander'
import { type Client, connect } from '../api/client.ts'
import type { Format } from './output.ts'
import { socketOf, stateDirectory } from './paths.ts'
import { missing, misused } from './problems.ts'
import type { World } from './world.ts'

/** Every flag that any command has, as commander gives it. */
export interface Options {
  readonly state?: string
  readonly output?: Format
  readonly all?: boolean
  readonly proto?: 'tcp' | 'udp'
  readonly port?: string
  readonly size?: string
  readonly wait?: string
  readonly name?: string
  readonly from?: readonly string[]
  readonly for?: string
  readonly sourceNat?: string
  readonly newPerSource?: string
  readonly openPerSource?: string
  readonly onChange?: 'drain' | 'cut' | 'keep'
  readonly balance?: 'random' | 'round-robin' | 'source' | 'least-connections'
  readonly via?: 'haproxy' | 'nginx'
  readonly proxyProtocol?: 'v1' | 'v2'
  readonly sni?: string
  readonly onAllDown?: 'refuse' | 'keep'
  readonly health?: string
  readonly note?: string
  readonly disabled?: boolean
  readonly privileged?: boolean
  readonly takeOver?: boolean
  readonly dryRun?: boolean
  readonly confirm?: string
  readonly based?: string
  readonly since?: string
  readonly until?: string
  readonly rotate?: string
  readonly verify?: boolean
  readonly symptom?: string
  readonly fix?: boolean
  readonly lift?: boolean
  readonly file?: string
  readonly prune?: boolean
  readonly lastGood?: boolean
  readonly nft?: boolean
  readonly crowdsecKey?: string
  readonly crowdsecUrl?: string
}

export interface Call {
  readonly world: World
  readonly client: Client
  readonly state: string
  readonly operands: readonly string[]
  readonly options: Options
  readonly format: Format
  /** The whole tree of commands, for completion. */
  readonly root: Command
}

export interface Spec {
  /** As commander reads it: `close <NAME...>`. The words in capitals tell completion what to offer. */
  readonly spelled: string
  readonly summary: string
  readonly options?: readonly Option[]
  /** The first one also answers a call that lacks something. */
  readonly examples: readonly [string, ...string[]]
  readonly hidden?: boolean
  /** Gives the exit code; throws a Problem. */
  readonly act: (call: Call) => Promise<number>
}

export function declare(root: Command, world: World, spec: Spec, finish: (code: number) => void): void {
  const command = root.command(spec.spelled, { hidden: spec.hidden ?? false }).description(spec.summary)
  for (const option of spec.options ?? []) command.addOption(option)
  command.addHelpText('after', `\nExamples:\n${spec.examples.map((one) => `  ${one}`).join('\n')}`)
  command.exitOverride((error) => {
    throw asProblem(error, command, spec.examples[0])
  })
  command.action(async () => {
    const options = command.optsWithGlobals<Options>()
    const state = stateDirectory(options.state, world.env)
    const client = connect(socketOf(state))
    const format = options.output ?? 'table'
    finish(await spec.act({ world, client, state, operands: command.args, options, format, root }))
  })
}

/** Commander's words for wrong usage as a problem; help and version that were asked for are not problems. */
export function asProblem(error: CommanderError, command: Command, example: string): Error {
  if (error.exitCode === 0 || error.code === 'commander.help') return error
  const [, title = '', guess] = /^(?:error: )?(.*?)(?:\n\((.*)\))?$/s.exec(error.message) ?? []
  switch (error.code) {
    case 'commander.missingArgument':
    case 'commander.missingMandatoryOptionValue':
      return missing(command.name(), /'([^']+)'/.exec(title)?.[1] ?? 'something', example)
    default:
      return misused(title, guess ?? `See: drawbridge ${command.parent ? `${command.name()} ` : ''}--help`)
  }
}
