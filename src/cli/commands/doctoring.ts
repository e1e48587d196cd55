/** doctor: why a forward does not work, and what to do. */
import { Option } from 'commander'
import type { DoctorPage, Mended, Patient } from '../../api/shapes-doctor.ts'
import type { Finding } from '../../model/finding.ts'
import type { Call, Spec } from '../command.ts'
import { done, failed, found } from '../exit.ts'
import { planLines } from '../lines.ts'
import { trialOptions } from '../options.ts'
import { answer } from '../output.ts'
import { emptyName, misused } from '../problems.ts'
import { trialOf } from '../request.ts'
import { counted, plain } from '../text.ts'

export const doctoringCommands: readonly Spec[] = [
  {
    spelled: 'doctor [NAME]',
    summary: 'Say why a forward does not work, and what to do; exit 3 when something was found',
    options: [
      new Option('--from <ADDRESS>', 'the address of the client for which it does not work'),
      new Option(
        '--symptom <WORDS>',
        'what the client notices, such as "timed out", refused, unreachable, "intermittent loss" or "failed handshake"',
      ),
      new Option('--fix', 'do what is for Drawbridge to do, and print the command for the rest'),
      ...trialOptions,
    ],
    examples: [
      'drawbridge doctor',
      'drawbridge doctor web --from 198.51.100.7',
      'drawbridge doctor web --symptom "connection refused"',
      'drawbridge doctor web --fix --dry-run',
    ],
    act: doctor,
  },
]

async function doctor(call: Call): Promise<number> {
  const { world, client, operands, options, format } = call
  const [name] = operands
  if (name === '') throw emptyName()
  const { symptom } = options
  // One address: the option of this command does not collect.
  const from = options.from === undefined ? undefined : String(options.from)
  if (options.fix) {
    if (name === undefined)
      throw misused('--fix mends one forward', 'For example: drawbridge doctor web --fix')
    const mended = await client.mend({ name, from, symptom, ...trialOf(options) })
    await answer(world.terminal, format, mended, () => mendedLines(mended))
    return exitOf(mended.after ?? mended.before)
  }
  if (options.dryRun || options.confirm !== undefined || options.based !== undefined)
    throw misused(
      '--dry-run, --confirm and --based go with --fix',
      'For example: drawbridge doctor web --fix --dry-run',
    )
  const page = await client.doctor({ name, from, symptom })
  await answer(world.terminal, format, page, () => pageLines(page))
  return exitOf(page)
}

/** Without an agent nothing could be looked at: that is a failure, not a diagnosis. */
function exitOf({ headline }: DoctorPage): number {
  if (!headline) return done
  return headline.code === 'agent-away' ? failed : found
}

function pageLines(page: DoctorPage): readonly string[] {
  const { forwards, symptom, unseen } = page
  if (forwards.length === 0) return ['there is no forward to look at']
  return [
    ...forwards.flatMap((one) => patientLines(one, symptom)),
    ...(unseen > 0
      ? [`${counted(unseen, 'more forward was', 'more forwards were')} not looked at; name one`]
      : []),
  ]
}

function patientLines(
  { name, headline, others }: Patient,
  symptom: DoctorPage['symptom'],
): readonly string[] {
  const explains = symptom === null ? '' : `, and nothing that explains "${symptom}"`
  return [
    ...(headline ? findingLines(name, headline) : [`${plain(name)}: nothing is wrong${explains}`]),
    ...others.map(
      (one) => `  ${one.severity === 'note' ? 'note' : 'also'}: ${plain(one.title)}: ${plain(one.evidence)}`,
    ),
  ]
}

function findingLines(name: string, { title, evidence, remedy, command, mend }: Finding): readonly string[] {
  return [
    `${plain(name)}: ${plain(title)}`,
    `  ${plain(evidence)}`,
    `  ${plain(remedy)}`,
    ...(command === '' ? [] : [`    ${plain(command)}`]),
    ...(mend ? [`  Drawbridge can do it: drawbridge doctor ${plain(name)} --fix`] : []),
  ]
}

function mendedLines({ before, mended, changed, after }: Mended): readonly string[] {
  if (!mended) return pageLines(before)
  const plan = changed ? planLines(changed.plan) : []
  if (!after) return [`${plain(mended.forward)}: ${plain(mended.title)}`, ...plan]
  return [`mended ${plain(mended.forward)}: ${plain(mended.title)}`, ...pageLines(after)]
}
