/** The thread of one judgement: `workerData` is the question, its only message the answer. */
import { parentPort, workerData } from 'node:worker_threads'
import { type OpenedQuestion, openedReportOf } from '../model/exposure/opened.ts'
import { type Question, reportOf } from '../model/exposure/report.ts'

const question = workerData as Question | OpenedQuestion
parentPort?.postMessage('opened' in question ? openedReportOf(question) : reportOf(question))
