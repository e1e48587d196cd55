/** The rows of the data plane: gateways that do the same, by hand and by Drawbridge. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { forgetQuickly, type Gateway, type Lab, targetPort } from './lab.ts'
import { type Drawbridge, forwardsOf, many, openAll, startDrawbridge, type Wanted } from './product.ts'

export interface Row {
  readonly title: string
  readonly gateway: Gateway
  /** The ports that lead to the target. */
  readonly low: number
  readonly high: number
  /** What works for it beside the kernel, the client and the server. */
  readonly processes?: readonly number[]
}

export interface ProductRow extends Row {
  readonly drawbridge: Drawbridge
}

export interface Rows {
  readonly byHand: Row
  readonly again: Row
  readonly one: ProductRow
  readonly many: ProductRow
  readonly guarded: ProductRow
  readonly shielded: ProductRow
  readonly banned: ProductRow
  readonly pools: ProductRow
}

const onePort = 8080

export async function setUpRows(lab: Lab, scratch: string): Promise<Rows> {
  const all = { ...many, targetPort }
  const [hand, again, one, full, guarded, shielded, banned, pools] = await Promise.all([
    byHand(lab, scratch, 'hand', 'one rule written by hand'),
    byHand(lab, scratch, 'again', 'the same again (noise)'),
    product(lab, scratch, 'one', 'Drawbridge, 1 forward', { low: onePort, count: 1, targetPort }),
    product(lab, scratch, 'many', 'Drawbridge, 64,000 forwards', all),
    product(lab, scratch, 'guarded', 'the same, 3 sources each', { ...all, from: threeSources }),
    product(lab, scratch, 'shielded', '64,000, shielded', all, '0'),
    product(lab, scratch, 'banned', 'the same, 100,000 bans', { low: onePort, count: 1, targetPort }),
    product(lab, scratch, 'pools', '64,000 pools of four', all, '1', 4),
  ])
  await ban(banned, scratch)
  return { byHand: hand, again, one, many: full, guarded, shielded, banned, pools }
}

/** As short as it can be written: nothing is masqueraded, marked or counted. */
async function byHand(lab: Lab, scratch: string, name: string, title: string): Promise<Row> {
  const gateway = await lab.addGateway(name)
  const rules = join(scratch, `${name}.nft`)
  await writeFile(rules, textOf(`tcp dport ${onePort} dnat ip to ${gateway.target}:${targetPort}`))
  await gateway.run('nft', '-f', rules)
  await forgetQuickly(gateway)
  return { title, gateway, low: onePort, high: onePort }
}

function textOf(rule: string): string {
  return `table ip nat {
  chain prerouting {
    type nat hook prerouting priority dstnat
    ${rule}
  }
}
`
}

async function product(
  lab: Lab,
  scratch: string,
  name: string,
  title: string,
  opened: Omit<Wanted, 'targets'>,
  forwardsBefore = '1',
  each = 1,
): Promise<ProductRow> {
  const gateway = await lab.addGateway(name)
  await gateway.run('sysctl', '-qw', `net.ipv4.ip_forward=${forwardsBefore}`)
  const drawbridge = await startDrawbridge(gateway, join(scratch, name))
  await openAll(drawbridge, forwardsOf({ targets: gateway.targets.slice(0, each), ...opened }))
  await forgetQuickly(gateway)
  return { title, gateway, drawbridge, low: opened.low, high: opened.low + opened.count - 1 }
}

const bans = 100_000

/** As Fail2Ban has them; none is of the client. */
async function ban({ gateway, drawbridge }: ProductRow, scratch: string): Promise<void> {
  const addresses = Array.from({ length: bans }, (_, at) => `10.${at >> 14}.${(at >> 6) & 255}.${at & 63}`)
  const rules = join(scratch, 'bans.nft')
  await writeFile(
    rules,
    `table inet f2b-table {
  set addr-set-sshd {
    type ipv4_addr
    elements = { ${addresses.join(',\n')} }
  }
}
`,
  )
  await gateway.run('nft', '-f', rules)
  for (let waited = 0; (await drawbridge.api.status(0)).bans.count < bans; waited += 1) {
    if (waited === 120) throw new Error('the bans are not known')
    await new Promise((resolve) => setTimeout(resolve, 500))
  }
}

/** The client is in the third, the widest, which is looked up last; the other two differ from forward to forward. */
function threeSources(port: number): readonly string[] {
  const [high, low] = [port >> 8, port & 255]
  return [`10.1.${high}.${low}`, `172.${16 + (high & 15)}.${low}.0/24`, '198.18.0.0/16']
}
