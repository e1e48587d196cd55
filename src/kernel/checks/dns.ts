/** A name server gives the address that a name is known to have. Source: RFC 1035, section 4; RFC 3596. */
import { randomInt } from 'node:crypto'
import type { Check } from '../../model/check.ts'
import { alive, dead, type Outcome } from '../../model/condition.ts'
import { encodeFields } from '../fields.ts'
import { ask } from './datagrams.ts'
import type { Place } from './talk.ts'

const recordTypes = { 4: 1, 6: 28 } as const
const classInternet = 1
const headLength = 12
const codes = ['', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED']

export function checkDns(place: Place, { name, answer }: Check & { kind: 'dns' }): Promise<Outcome> {
  const id = randomInt(0x10000)
  const type = recordTypes[answer.family]
  const wanted = encodeFields([answer.family === 4 ? 'ipv4_addr' : 'ipv6_addr'], answer.text)
  return ask(place, questionOf(id, name, type), (message) => {
    if (message.length < headLength || message.readUInt16BE(2) < 0x8000) return dead('foreign')
    if (message.readUInt16BE(0) !== id) return undefined
    const code = message.readUInt8(3) & 0xf
    if (code !== 0) return dead('answer', codes[code] ?? `code ${code}`)
    const found = dataOf(message, type)
    if (found === undefined) return dead('foreign')
    return found.some((one) => one.equals(wanted)) ? alive : dead('answer', `not ${answer.text}`)
  })
}

/** Recursion is asked for: a server that knows the name by itself does not mind. */
function questionOf(id: number, name: string, type: number): Buffer {
  const labels = name.split('.').map((label) => Buffer.from(`${String.fromCharCode(label.length)}${label}`))
  const head = Buffer.from([id >> 8, id & 0xff, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0])
  return Buffer.concat([head, ...labels, Buffer.from([0, 0, type, 0, classInternet])])
}

/** The data of the records of this type that are answers; undefined for a message that is cut off in the middle of one. */
function dataOf(message: Buffer, type: number): readonly Buffer[] | undefined {
  const found: Buffer[] = []
  let at = headLength
  for (let question = message.readUInt16BE(4); question > 0; question -= 1) at = afterName(message, at) + 4
  for (let record = message.readUInt16BE(6); record > 0; record -= 1) {
    at = afterName(message, at)
    if (at + 10 > message.length) return undefined
    const length = message.readUInt16BE(at + 8)
    const data = message.subarray(at + 10, at + 10 + length)
    if (data.length < length) return undefined
    if (message.readUInt16BE(at) === type && message.readUInt16BE(at + 2) === classInternet) found.push(data)
    at += 10 + length
  }
  return found
}

/** Pointers are not followed: whose address it is follows from the question. */
function afterName(message: Buffer, start: number): number {
  let at = start
  while (at < message.length) {
    const length = message.readUInt8(at)
    if (length >= 0xc0) return at + 2
    if (length === 0) return at + 1
    at += 1 + length
  }
  return at
}
