/** A mail server greets with 220, in one line or several, and is told QUIT. Source: RFC 5321, sections 3.1 and 4.2. */
import { alive, dead, type Outcome } from '../../model/condition.ts'
import { type Place, talkTo } from './talk.ts'

export function checkSmtp(place: Place): Promise<Outcome> {
  return talkTo(place, async ({ say, line }) => {
    let greeting = await line()
    while (/^220-/.test(greeting)) greeting = await line()
    if (!/^[245]\d\d( |$)/.test(greeting)) return dead('foreign', greeting)
    say('QUIT\r\n')
    return /^220/.test(greeting) ? alive : dead('denied', greeting)
  })
}
