/** How this machine is. Worth knowing beside a cause; a busy machine alone is none. */
import { type Check, check } from './check.ts'

const [muchLoad, muchSteal, muchPressure] = [4, 25, 20] as const

export const machineChecks: readonly Check[] = [
  check('softnet-drops', {
    severity: 'impaired',
    symptoms: ['intermittent loss'],
    look: ({ exam }) =>
      exam && exam.losses.softnet > 0 ? { facts: { count: exam.losses.softnet } } : undefined,
  }),
  check('stolen', {
    severity: 'note',
    symptoms: ['intermittent loss', 'timed out'],
    look: ({ exam }) =>
      exam && exam.machine.steal >= muchSteal ? { facts: { steal: exam.machine.steal } } : undefined,
  }),
  check('memory-short', {
    severity: 'note',
    symptoms: ['intermittent loss', 'timed out'],
    look: ({ exam }) =>
      (exam?.machine.memory ?? 0) >= muchPressure
        ? { facts: { pressure: Math.round(exam?.machine.memory ?? 0) } }
        : undefined,
  }),
  check('overloaded', {
    severity: 'note',
    symptoms: ['intermittent loss', 'timed out'],
    look: ({ exam }) =>
      exam && exam.machine.load >= exam.machine.processors * muchLoad
        ? { facts: { load: Math.round(exam.machine.load), processors: exam.machine.processors } }
        : undefined,
  }),
  check('logged', {
    severity: 'note',
    symptoms: ['timed out'],
    look: ({ exam }) => {
      const line = exam?.logged.at(-1)
      return exam && line ? { facts: { count: exam.logged.length, line: line.slice(0, 300) } } : undefined
    },
  }),
]
