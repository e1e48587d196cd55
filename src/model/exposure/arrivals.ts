/** How frames come to the interfaces of the outside: by which devices below them, and past what. */

export interface Link {
  readonly name: string
  /** As the kernel numbers kinds of hardware (ARPHRD_ETHER is 1). */
  readonly type: number
  /** `bridge`, `bond`, `vlan`, …; '' of a plain device. */
  readonly kind: string
  /** What a VLAN or the like stands on. */
  readonly below: string | null
  /** The bridge or bond that it is a port of. */
  readonly master: string | null
}

/** What sees packets outside of all rules, and cannot be read. */
export interface Program {
  readonly device: string
  /** `an XDP program` */
  readonly words: string
}

interface Device {
  readonly name: string
  readonly type: number
  /** What stands on it is a bridge. */
  readonly isPort: boolean
  /** What stands on it takes frames with a tag. */
  readonly isTagged: boolean
}

/** One way to an interface of the outside: the lowest device first, the interface last. */
export interface Arrival {
  readonly interface: string
  readonly devices: readonly Device[]
}

/** A loop of links cannot be made; this is for what is changed while it is read. */
const deepest = 8

export function arrivalsAt(links: readonly Link[], name: string): readonly Arrival[] {
  const known = new Map(links.map((link) => [link.name, link]))
  const above = (link: Link, on: Link | undefined): Device => ({
    name: link.name,
    type: link.type,
    isPort: on?.kind === 'bridge',
    isTagged: on?.kind === 'vlan',
  })
  const waysTo = (link: Link, on: Link | undefined, depth: number): (readonly Device[])[] => {
    const here = above(link, on)
    const parent = link.below === null ? undefined : known.get(link.below)
    const under = parent ? [parent] : links.filter(({ master }) => master === link.name)
    if (under.length === 0 || depth >= deepest || link.kind === 'vrf') return [[here]]
    return under.flatMap((one) => waysTo(one, link, depth + 1).map((way) => [...way, here]))
  }
  const link = known.get(name) ?? { name, type: 1, kind: '', below: null, master: null }
  return waysTo(link, undefined, 0).map((devices) => ({ interface: name, devices }))
}
