/** What is asked of a target to find out whether it is alive, and where that may be asked. */
import ipaddr from 'ipaddr.js'
import { z } from 'zod'
import { type Address, readAddress, whyUnusableUnasked } from './address.ts'
import { type PortRange, printPorts } from './ports.ts'
import { Problem, shown } from './problem.ts'

const plainChecks = ['tcp', 'redis', 'postgres', 'mysql', 'smtp', 'icmp'] as const
const checkKinds = [
  'tcp',
  'http',
  'https',
  'redis',
  'postgres',
  'mysql',
  'smtp',
  'dns',
  'icmp',
  'udp',
] as const
type CheckKind = (typeof checkKinds)[number]

export type Check =
  /** `tcp`: a connection is accepted. The others: the server greets or answers as one of its protocol does. */
  | { readonly kind: (typeof plainChecks)[number] }
  | WebCheck
  /** A name server gives this address for this name. */
  | { readonly kind: 'dns'; readonly name: string; readonly answer: Address }
  /** The answer to what is sent contains this. Each character is a byte, so up to U+00FF. */
  | { readonly kind: 'udp'; readonly send: string; readonly answer: string }

export interface WebCheck {
  readonly kind: 'http' | 'https'
  readonly path: string
  readonly status: readonly PortRange[]
  /** A text that the answer contains; '' when any will do. */
  readonly body: string
  /** The Host header, and the name that TLS asks for; '' for the target's address. */
  readonly host: string
}

/** The keys by which a check says more; each goes with some of the checks only. */
export const checkDocument = {
  check: z.enum(checkKinds),
  path: z.string().optional(),
  status: z.union([z.string(), z.number()]).optional(),
  body: z.string().optional(),
  host: z.string().optional(),
  name: z.string().optional(),
  send: z.string().optional(),
  answer: z.string().optional(),
} as const
const checkObject = z.strictObject(checkDocument)
export type CheckDocument = z.infer<typeof checkObject>

/** What only some checks have. */
const keysOf = {
  http: ['path', 'status', 'body', 'host'],
  https: ['path', 'status', 'body', 'host'],
  dns: ['name', 'answer'],
  udp: ['send', 'answer'],
} as const satisfies Partial<Record<CheckKind, readonly (keyof CheckDocument)[]>>
const ownKeys = ['path', 'status', 'body', 'host', 'name', 'send', 'answer'] as const

const anyStatus = [{ first: 200, last: 399 }] as const

export function parseKind(field: string, text: string): CheckKind {
  const kind = checkKinds.find((one) => one === text)
  if (kind) return kind
  throw Problem.of('bad-value', { field, value: shown(text), expected: `one of ${checkKinds.join(', ')}` })
}

function refuseForeignKeys(field: string, doc: CheckDocument): void {
  const allowed: readonly string[] = keysOf[doc.check as keyof typeof keysOf] ?? []
  const foreign = ownKeys.find((key) => doc[key] !== undefined && !allowed.includes(key))
  if (!foreign) return
  const keys = ['port', 'every', 'timeout', 'fall', 'rise', 'slow_start', ...allowed].join(', ')
  throw Problem.of('health-key', { field: `${field}.${foreign}`, check: doc.check, keys })
}

export function parseCheck(field: string, doc: CheckDocument): Check {
  refuseForeignKeys(field, doc)
  switch (doc.check) {
    case 'http':
    case 'https':
      return {
        kind: doc.check,
        path: parsePath(`${field}.path`, doc.path ?? '/'),
        status: doc.status === undefined ? anyStatus : parseStatus(`${field}.status`, String(doc.status)),
        body: parseBody(`${field}.body`, doc.body ?? ''),
        host: doc.host === undefined ? '' : parseHost(`${field}.host`, doc.host),
      }
    case 'dns':
      return { kind: 'dns', name: parseDomain(field, doc.name), answer: parseDnsAnswer(field, doc.answer) }
    case 'udp':
      return {
        kind: 'udp',
        send: parseBytes(`${field}.send`, doc.send),
        answer: parseBytes(`${field}.answer`, doc.answer),
      }
    default:
      return { kind: doc.check }
  }
}

export function bad(field: string, value: unknown, expected: string): Problem {
  return Problem.of('bad-value', { field, value: shown(value), expected })
}

/** What goes into the first line of a request must not end it. */
function parsePath(field: string, text: string): string {
  if (/^\/[\x21-\x22\x24-\x7e]{0,999}$/.test(text)) return text
  throw bad(field, text, 'a path such as /healthz, without spaces')
}

function parseStatus(field: string, text: string): readonly PortRange[] {
  const ranges = text.split(',').map((part) => {
    const [, first, last = first] = /^ *([1-5]\d\d)(?:-([1-5]\d\d))? *$/.exec(part) ?? []
    return { first: Number(first), last: Number(last) }
  })
  const sorted = ranges.sort((a, b) => a.first - b.first)
  const good = sorted.every(
    ({ first, last }, index) => first <= last && (index === 0 || first > (sorted[index - 1]?.last ?? 0)),
  )
  if (good) return sorted
  throw bad(field, text, 'a status such as 200, 200-299 or 200,404')
}

function parseBody(field: string, text: string): string {
  if (text.length <= 200 && !/[\p{Cc}\p{Cs}]/u.test(text)) return text
  throw bad(field, text, 'a text of at most 200 characters in one line')
}

const label = '[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?'
const domain = new RegExp(`^(?=.{1,253}$)${label}(\\.${label})*$`)

function parseHost(field: string, text: string): string {
  const [, host = text, port] = /^(.*?)(?::(\d{1,5}))?$/.exec(text) ?? []
  const bracketed = /^\[(.*)\]$/.exec(host)?.[1]
  const named = bracketed === undefined ? domain.test(host) : readAddress(bracketed)?.family === 6
  if (named && (port === undefined || (Number(port) > 0 && Number(port) <= 65535))) return text
  throw bad(field, text, 'a host such as app.example.org or app.example.org:8443')
}

function parseDomain(field: string, text: string | undefined): string {
  if (text === undefined) throw Problem.of('health-answer', { field: `${field}.name`, check: 'dns' })
  if (domain.test(text)) return text.toLowerCase()
  throw bad(`${field}.name`, text, 'a name such as app.example.org')
}

function parseDnsAnswer(field: string, text: string | undefined): Address {
  if (text === undefined) throw Problem.of('health-answer', { field: `${field}.answer`, check: 'dns' })
  const address = readAddress(text)
  if (address) return address
  throw bad(`${field}.answer`, text, 'the address that the name has, such as 10.0.0.7')
}

/** Silence of a UDP port says nothing, so it takes an answer that is known. */
function parseBytes(field: string, text: string | undefined): string {
  if (text === undefined) throw Problem.of('health-answer', { field, check: 'udp' })
  if (/^[\0-\xff]{1,512}$/.test(text)) return text
  throw bad(field, text, '1 to 512 bytes, written as characters up to U+00FF')
}

export function printCheck(check: Check): CheckDocument {
  switch (check.kind) {
    case 'http':
    case 'https': {
      const { path, status, body, host } = check
      return {
        check: check.kind,
        ...(path !== '/' && { path }),
        ...(printPorts(status) !== printPorts(anyStatus) && { status: printPorts(status) }),
        ...(body !== '' && { body }),
        ...(host !== '' && { host }),
      }
    }
    case 'dns':
      return { check: 'dns', name: check.name, answer: check.answer.text }
    case 'udp':
      return { check: 'udp', send: check.send, answer: check.answer }
    default:
      return { check: check.kind }
  }
}

/** An IPv6 address of these kinds stands for an IPv4 address, which could be any. */
const standing = ['ipv4Mapped', 'rfc6145', 'rfc6052', '6to4', 'teredo']

/** Why no check may go to this address, or undefined when one may. `ours`: the addresses of this machine. */
export function whyUncheckable(address: Address, ours: ReadonlySet<string>): string | undefined {
  if (ours.has(address.text)) return 'it is an address of this gateway'
  if (standing.includes(ipaddr.parse(address.text).range())) return 'it stands for another address'
  return whyUnusableUnasked(address)
}
