/**
 * A MySQL or MariaDB server greets first. A client that goes away then counts as a broken handshake, and after
 * max_connect_errors of them (100) the server takes nobody from its address any more. So the handshake is finished, for a
 * user that need not exist; to be refused as that user is no such error, and shows that the server is alive.
 * Source: MySQL, "Connection Phase"; MariaDB, "Connection", "max_connect_errors".
 */
import { alive, dead, type Outcome } from '../../model/condition.ts'
import { type Place, type Talk, talkTo } from './talk.ts'

const protocol10 = 10
const okPacket = 0x00
const authSwitch = 0xfe
const errorPacket = 0xff
const mostPacket = 16 * 1024
/** ER_CON_COUNT_ERROR, ER_SERVER_SHUTDOWN, ER_HOST_IS_BLOCKED, ER_TOO_MANY_USER_CONNECTIONS */
const takesNobody = [1040, 1053, 1129, 1203]
/** LONG_PASSWORD, PROTOCOL_41, SECURE_CONNECTION, PLUGIN_AUTH */
const abilities = 0x1 | 0x200 | 0x8000 | 0x80000
const quit = Buffer.from([1, 0, 0, 0, 1])

export function checkMysql(place: Place): Promise<Outcome> {
  return talkTo(place, async (talk) => {
    const greeting = await packet(talk)
    if (greeting?.body[0] === errorPacket) return ofError(greeting.body)
    if (greeting?.body[0] !== protocol10 || greeting.sequence !== 0) return dead('foreign')
    talk.say(framed(1, response))
    for (let asked = 0; asked < 3; asked += 1) {
      const answer = await packet(talk)
      if (!answer) return dead('foreign')
      if (answer.body[0] === errorPacket) return ofError(answer.body)
      if (answer.body[0] === okPacket) {
        talk.say(quit)
        return alive
      }
      // Another way to prove who one is, or more of this one: of nobody there is nothing to show.
      talk.say(framed(answer.sequence + 1, Buffer.alloc(answer.body[0] === authSwitch ? 0 : 1)))
    }
    return dead('foreign')
  })
}

interface Packet {
  readonly sequence: number
  readonly body: Buffer
}

async function packet({ bytes }: Talk): Promise<Packet | undefined> {
  const head = await bytes(4)
  const length = head.readUIntLE(0, 3)
  if (length === 0 || length > mostPacket) return undefined
  return { sequence: head.readUInt8(3), body: await bytes(length) }
}

function framed(sequence: number, body: Buffer): Buffer {
  const head = Buffer.alloc(4)
  head.writeUIntLE(body.length, 0, 3)
  head.writeUInt8(sequence & 0xff, 3)
  return Buffer.concat([head, body])
}

/** HandshakeResponse41: abilities, longest packet, character set utf8, 23 zeros, user, no password, plugin. */
const response = Buffer.concat([
  Buffer.from(Uint32Array.of(abilities, 1 << 24).buffer),
  Buffer.from([33]),
  Buffer.alloc(23),
  Buffer.from('drawbridge\0\0mysql_native_password\0'),
])

/** After the number stands `#` and a state of five characters, but before the handshake there is none. */
function ofError(body: Buffer): Outcome {
  if (body.length < 3) return dead('foreign')
  const words = body.toString('utf8', 3).replace(/^#.{5}/, '')
  return takesNobody.includes(body.readUInt16LE(1)) ? dead('denied', words) : alive
}
