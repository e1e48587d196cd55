/** The map that somebody would write for 64,000 forwards, with the one rule that uses it. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { addNamespace, targetPort } from './lab.ts'
import { many } from './product.ts'

export interface TableByHand {
  readonly load: () => Promise<void>
  readonly remove: () => Promise<void>
  readonly addElement: (port: number) => Promise<void>
  readonly deleteElement: (port: number) => Promise<void>
}

/** In a namespace of its own; each call starts `nft`. */
export async function tableByHand(scratch: string): Promise<TableByHand> {
  const where = await addNamespace('by-hand')
  const file = join(scratch, 'many.nft')
  await writeFile(file, textOf(Array.from({ length: many.count }, (_, index) => elementOf(many.low + index))))
  const nft = async (...words: string[]) => {
    await where.run('nft', ...words)
  }
  return {
    load: () => nft('-f', file),
    remove: () => nft('delete table ip nat'),
    addElement: (port) => nft(`add element ip nat forwards { ${elementOf(port)} }`),
    deleteElement: (port) => nft(`delete element ip nat forwards { ${port} }`),
  }
}

function elementOf(port: number): string {
  return `${port} : 198.19.1.2 . ${targetPort}`
}

function textOf(elements: readonly string[]): string {
  return `table ip nat {
  map forwards {
    type inet_service : ipv4_addr . inet_service
    elements = { ${elements.join(',\n')} }
  }
  chain prerouting {
    type nat hook prerouting priority dstnat
    dnat ip to tcp dport map @forwards
  }
}
`
}
