/** Bridges of this machine on which a host that calls a forward leading to itself gets no answer. */
import { networkOf, type Prefix } from './address.ts'

export interface Bridge {
  readonly name: string
  /** Those of this machine's addresses on it, in the families that are concerned. */
  readonly networks: readonly Prefix[]
}

/** Whether a host of this address is on the bridge. */
export function isOn(
  { networks }: Bridge,
  address: { readonly family: 4 | 6; readonly text: string },
): boolean {
  return networks.some(
    ({ family, text, length }) => family === address.family && networkOf(address, length) === text,
  )
}

export function describeBridge({ name }: Bridge): string {
  return `who is on the bridge ${name} (a container, a virtual machine) and calls a forward that leads to itself gets no answer, all others do: with bridge-nf-call-iptables on, the bridge sends no frame back out of the port it came in by; that port in hairpin mode does (bridge link set dev PORT hairpin on)`
}
