/**
 * A Redis server answers an inline PING with +PONG. One that wants a password first is alive; one that is loading, or has no
 * room, is not. Source: https://redis.io/docs/latest/develop/reference/protocol-spec/
 */
import { alive, dead, type Outcome } from '../../model/condition.ts'
import { type Place, talkTo } from './talk.ts'

const wantsPassword = /^-(NOAUTH|NOPERM|WRONGPASS|ERR operation not permitted)/

export function checkRedis(place: Place): Promise<Outcome> {
  return talkTo(place, async ({ say, line }) => {
    say('PING\r\n')
    const answer = await line()
    if (answer === '+PONG' || wantsPassword.test(answer)) return alive
    return dead(/^-[A-Z]+ /.test(answer) ? 'denied' : 'foreign', answer.slice(1))
  })
}
