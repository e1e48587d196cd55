/** The thread of one judgement: `workerData` is the question, its only message the answer. */
import { parentPort, workerData } from 'node:worker_threads'
import { type Question, reportOf } from '../model/exposure/report.ts'

parentPort?.postMessage(reportOf(workerData as Question))
