/** Judges what the outside can reach in a thread of its own, so that whoever asks something else is answered meanwhile. */
import { setImmediate as turn } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import type { OpenedQuestion, OpenedReport } from '../model/exposure/opened.ts'
import type { Question, Report } from '../model/exposure/report.ts'

/** Rejects when the thread fails. */
export function judgeBeside(question: Question): Promise<Report> {
  return beside<Report>(question)
}

/** The same of services of this machine that are opened. */
export function judgeOpenedBeside(question: OpenedQuestion): Promise<OpenedReport> {
  return beside<OpenedReport>(question)
}

async function beside<Answer>(question: Question | OpenedQuestion): Promise<Answer> {
  const worker = new Worker(new URL('./judge.ts', import.meta.url), { workerData: question })
  try {
    return await new Promise<Answer>((resolve, reject) => {
      worker.once('message', resolve)
      worker.once('error', reject)
      worker.once('exit', (code) => reject(new Error(`the judgement ended with ${code} before it was made`)))
    })
  } finally {
    await worker.terminate()
  }
}

/** So long, in milliseconds, nothing else is done. */
const slice = 10

/** What `work` gives for each of them, with a turn for others in between. */
export async function inSlices<T, U>(all: readonly T[], work: (one: T, at: number) => U): Promise<U[]> {
  const found: U[] = []
  let began = performance.now()
  for (const [at, one] of all.entries()) {
    found.push(work(one, at))
    if (performance.now() - began < slice) continue
    await turn()
    began = performance.now()
  }
  return found
}
