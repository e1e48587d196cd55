/** The command line as a whole: from arguments to an exit code. */
import { Command, CommanderError } from 'commander'
import { Problem } from '../model/problem.ts'
import { asProblem, declare, type Options } from './command.ts'
import { changingCommands } from './commands/changing.ts'
import { completingCommands } from './commands/completing.ts'
import { doctoringCommands } from './commands/doctoring.ts'
import { drainingCommands } from './commands/draining.ts'
import { exposingCommands } from './commands/exposing.ts'
import { fileCommands } from './commands/files.ts'
import { lookingCommands } from './commands/looking.ts'
import { pastCommands } from './commands/past.ts'
import { runningCommands } from './commands/running.ts'
import { tracingCommands } from './commands/tracing.ts'
import { done, exitCodeOf, invalid } from './exit.ts'
import { outputOption, stateOption } from './options.ts'
import { printProblem } from './output.ts'
import type { World } from './world.ts'

const specs = [
  ...runningCommands,
  ...changingCommands,
  ...drainingCommands,
  ...lookingCommands,
  ...exposingCommands,
  ...tracingCommands,
  ...doctoringCommands,
  ...fileCommands,
  ...pastCommands,
  ...completingCommands,
]

/** Runs one command; `argv` is what stands after the program's name. */
export async function run(argv: readonly string[], world: World): Promise<number> {
  let code = done
  const program = buildProgram(world, (ended) => {
    code = ended
  })
  try {
    await program.parseAsync(argv, { from: 'user' })
    return code
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? done : invalid
    const problem = error instanceof Problem ? error : wentWrong(error)
    await printProblem(world.terminal, program.opts<Options>().output ?? 'table', problem)
    return exitCodeOf(problem)
  }
}

function wentWrong(error: unknown): Problem {
  return Problem.of('went-wrong', { why: error instanceof Error ? error.message : String(error) }, error)
}

/** The flags of the root hold before and after the command. */
function buildProgram(world: World, finish: (code: number) => void): Command {
  const { terminal } = world
  const program = new Command('drawbridge')
    .description('Port forwarding for Linux gateways: which port leads where, and who may use it.')
    .version(world.version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', 'Print the help of a command')
    .addOption(stateOption)
    .addOption(outputOption)
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => void terminal.out(text),
      writeErr: terminal.err,
      outputError: () => {},
      getOutHelpWidth: () => terminal.width,
      getErrHelpWidth: () => terminal.width,
    })
    .addHelpText('after', examples)
    .exitOverride((error) => {
      throw asProblem(error, program, 'drawbridge list')
    })
  for (const spec of specs) declare(program, world, spec, finish)
  return program
}

const examples = `
Examples:
  sudo drawbridge up
  drawbridge open tcp/8080 10.0.0.5:80
  drawbridge open tcp/2222 10.0.0.7:22 --from 203.0.113.7 --for 2h
  drawbridge list`
