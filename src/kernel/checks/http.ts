/**
 * One GET over HTTP/1.1, for its status and perhaps for a text in its body. Redirects are not followed: they would lead a
 * check to wherever the target likes. Source: RFC 9110, RFC 9112.
 */
import { connect as connectTls, type TLSSocket } from 'node:tls'
import type { WebCheck } from '../../model/check.ts'
import { alive, certificateWarning, dead, type Outcome } from '../../model/condition.ts'
import { type Opening, type Place, type Talk, talkTo } from './talk.ts'

const mostLines = 200

export async function checkHttp(place: Place, check: WebCheck): Promise<Outcome> {
  if (check.kind === 'http') return talkTo(place, (talk) => ask(talk, place, check))
  const socket = openTls(place, check.host)
  const opening: Opening = { socket, ready: 'secureConnect' }
  return talkTo(
    place,
    async (talk) => {
      const outcome = await ask(talk, place, check)
      if (outcome.kind !== 'alive') return outcome
      return {
        kind: 'alive',
        warning: certificateWarning(socket.getPeerCertificate().valid_to ?? '', Date.now()),
      }
    },
    opening,
  )
}

/** Who the target says it is matters to its clients; whether it is alive does not hang on it. */
function openTls({ address, port }: Place, host: string): TLSSocket {
  const name = host.replace(/:\d+$/, '')
  const named = /[a-z]/i.test(name) && !name.startsWith('[')
  return connectTls({ host: address, port, rejectUnauthorized: false, ...(named && { servername: name }) })
}

interface Head {
  readonly status: number
  readonly fields: ReadonlyMap<string, string>
}

async function ask(talk: Talk, { address, port }: Place, check: WebCheck): Promise<Outcome> {
  const usual = port === (check.kind === 'http' ? 80 : 443)
  const named = address.includes(':') ? `[${address}]` : address
  const host = check.host || `${named}${usual ? '' : `:${port}`}`
  talk.say(
    `GET ${check.path} HTTP/1.1\r\nHost: ${host}\r\nUser-Agent: Drawbridge\r\nAccept: */*\r\nConnection: close\r\n\r\n`,
  )
  const head = await readHead(talk)
  if ('kind' in head) return head
  const wanted = check.status.some(({ first, last }) => first <= head.status && head.status <= last)
  if (!wanted) return dead('status', String(head.status))
  if (check.body === '') return alive
  return (await holds(piecesOf(talk, head), Buffer.from(check.body))) ? alive : dead('body', check.body)
}

/** The head of the answer itself: what is said before it (status 1xx) is passed over. */
async function readHead({ line }: Talk): Promise<Head | Outcome> {
  for (let lines = 0; lines < mostLines; lines += 1) {
    const first = await line()
    const status = Number(/^HTTP\/1\.[01] ([1-5]\d\d)( |$)/.exec(first)?.[1])
    if (!status) return dead('foreign', first)
    const fields = new Map<string, string>()
    for (let text = await line(); text !== ''; text = await line(), lines += 1) {
      if (lines >= mostLines) return dead('endless')
      const [, name = '', value = ''] = /^([^:]*):[ \t]*(.*?)[ \t]*$/.exec(text) ?? []
      fields.set(name.toLowerCase(), value.toLowerCase())
    }
    if (status >= 200) return { status, fields }
  }
  return dead('endless')
}

/** The body, piece by piece, until it ends: by chunks, by its length, or with the connection. */
async function* piecesOf(talk: Talk, { fields }: Head): AsyncGenerator<Buffer> {
  if (fields.get('transfer-encoding')?.endsWith('chunked')) {
    for (let size = await chunkSize(talk); size > 0; size = await chunkSize(talk)) {
      yield await talk.bytes(size)
      await talk.line()
    }
    return
  }
  const length = Number(fields.get('content-length') ?? Number.POSITIVE_INFINITY)
  for (let had = 0; had < length; ) {
    const some = await talk.some()
    if (!some) return
    had += some.length
    yield some
  }
}

async function chunkSize({ line }: Talk): Promise<number> {
  const size = /^([0-9a-f]{1,7})[ \t]*(;|$)/i.exec(await line())?.[1]
  return size === undefined ? 0 : Number.parseInt(size, 16)
}

/** Whether the text is in it, also across two pieces. */
async function holds(pieces: AsyncGenerator<Buffer>, text: Buffer): Promise<boolean> {
  let end = Buffer.alloc(0)
  for await (const piece of pieces) {
    const seen = Buffer.concat([end, piece])
    if (seen.includes(text)) return true
    end = seen.subarray(Math.max(0, seen.length - text.length + 1))
  }
  return false
}
