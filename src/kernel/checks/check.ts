/** Asks a target whether it is alive. Never this machine itself, nor an address that means something else to each host. */

import { parseAddress } from '../../model/address.ts'
import { type Check, whyUncheckable } from '../../model/check.ts'
import type { Outcome } from '../../model/condition.ts'
import { checkDns } from './dns.ts'
import { checkHttp } from './http.ts'
import { checkIcmp } from './icmp.ts'
import { checkMysql } from './mysql.ts'
import { checkPostgres } from './postgres.ts'
import { checkRedis } from './redis.ts'
import { checkSmtp } from './smtp.ts'
import type { Place } from './talk.ts'
import { checkTcp } from './tcp.ts'
import { checkUdp } from './udp.ts'

/** `ours`: the addresses that this machine has now. */
export async function checkPlace(place: Place, check: Check, ours: ReadonlySet<string>): Promise<Outcome> {
  const why = whyUncheckable(parseAddress('address', place.address), ours)
  return why === undefined ? askPlace(place, check) : { kind: 'unknown', why }
}

function askPlace(place: Place, check: Check): Promise<Outcome> {
  switch (check.kind) {
    case 'tcp':
      return checkTcp(place)
    case 'http':
    case 'https':
      return checkHttp(place, check)
    case 'redis':
      return checkRedis(place)
    case 'postgres':
      return checkPostgres(place)
    case 'mysql':
      return checkMysql(place)
    case 'smtp':
      return checkSmtp(place)
    case 'dns':
      return checkDns(place, check)
    case 'icmp':
      return checkIcmp(place)
    case 'udp':
      return checkUdp(place, check)
  }
}
