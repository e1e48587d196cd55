/** Another program that commits to a table of its own as fast as it can, until it is ended: every dump meanwhile is torn. */
import { setImmediate as turn } from 'node:timers/promises'
import { parentPort } from 'node:worker_threads'
import { openNetlink } from '../../src/kernel/netlink.ts'
import { family, MessageWriter, nftMessage } from '../../src/kernel/nfnetlink.ts'

const [NEWTABLE, DELTABLE] = [nftMessage(0), nftMessage(2)]
const netlink = openNetlink(1 << 20)

for (;;) {
  for (const type of [NEWTABLE, DELTABLE]) {
    const writer = new MessageWriter()
    writer.batch('begin')
    writer.message(type, 0, family.inet, () => writer.text(1, 'restless'))
    writer.acknowledge()
    writer.batch('end')
    netlink.commit(writer.bytes, 'committing')
  }
  parentPort?.postMessage('committed')
  await turn()
}
