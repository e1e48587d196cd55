/**
 * What pg_isready does: a startup message for a user that need not exist. Whatever the server says about the user, it is
 * alive, but while it starts or shuts down, or has no connection left. Source: PostgreSQL, "Message Formats" and
 * src/bin/pg_isready.
 */
import { alive, dead, type Outcome } from '../../model/condition.ts'
import { type Place, talkTo } from './talk.ts'

const version3 = 0x00030000
const authenticated = 0
const terminate = Buffer.from([0x58, 0, 0, 0, 4])
const longestError = 4096
/** cannot_connect_now, too_many_connections (PostgreSQL, "Error Codes"). */
const takesNobody = ['57P03', '53300']

export function checkPostgres(place: Place): Promise<Outcome> {
  return talkTo(place, async ({ say, bytes }) => {
    say(startup())
    const head = await bytes(5)
    const [kind, length] = [String.fromCharCode(head.readUInt8(0)), head.readUInt32BE(1)]
    if (kind === 'R' && length >= 8 && length <= longestError) {
      // Who has got in says that it goes; before that, only to go leaves no line in the server's log.
      if ((await bytes(4)).readUInt32BE(0) === authenticated) say(terminate)
      return alive
    }
    if (kind !== 'E' || length < 8 || length > longestError) return dead('foreign', head.toString('latin1'))
    const fields = (await bytes(length - 4)).toString('latin1').split('\0')
    const field = (code: string) => fields.find((one) => one.startsWith(code))?.slice(1)
    const [state, message] = [field('C'), field('M')]
    if (state === undefined || message === undefined) return dead('foreign')
    return takesNobody.includes(state) ? dead('denied', message) : alive
  })
}

function startup(): Buffer {
  const words = Buffer.from('user\0drawbridge\0database\0drawbridge\0application_name\0drawbridge\0\0')
  const message = Buffer.alloc(8 + words.length)
  message.writeUInt32BE(message.length, 0)
  message.writeUInt32BE(version3, 4)
  message.set(words, 8)
  return message
}
