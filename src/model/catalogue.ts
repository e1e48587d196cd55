/** Every problem that there is: stable code, sentence, remedy. One place for every sentence that a user can see. */
import { changeProblems } from './catalogue/change.ts'
import { inputProblems } from './catalogue/input.ts'
import { runningProblems } from './catalogue/running.ts'

export const catalogue = { ...inputProblems, ...changeProblems, ...runningProblems } as const
