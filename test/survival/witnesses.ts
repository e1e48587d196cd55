/** Connections that are held through a crash and must not notice it. */
import type { Lab } from '../lab/lab.ts'
import type { Kind } from './kinds.ts'

interface Witness {
  readonly who: string
  readonly end: string
  readonly inOrder: boolean
  readonly refusals: number
  readonly identities: readonly string[]
}

interface Testimony extends Witness {
  readonly expected: Witness
}

/** A service of the gateway itself, which no change of forwards touches. */
export const ownPort = 2222

/**
 * TCP and UDP through a forward that the change does not touch, TCP through one that it does, which goes on until it ends
 * (`drain`), and TCP to the gateway itself. A lockdown ends all but the last.
 */
export async function witnesses({ client, gateway }: Lab, { before, ends }: Kind) {
  const through = ends
    ? []
    : [
        { who: 'tcp/8000', port: 8000, protocol: 'tcp' as const },
        { who: 'udp/8000', port: 8000, protocol: 'udp' as const },
        ...(before['tcp/8100'] === 'refused'
          ? []
          : [{ who: 'tcp/8100', port: 8100, protocol: 'tcp' as const }]),
      ]
  const wanted = [...through, { who: 'gateway', port: ownPort, protocol: 'tcp' as const }]
  const held = await Promise.all(
    wanted.map(async ({ who, port, protocol }) => {
      const holding = await client.holds(gateway.outside, port, { protocol })
      return { who, holding }
    }),
  )
  return {
    end: (): Promise<Testimony[]> =>
      Promise.all(
        held.map(async ({ who, holding }) => {
          const { end, inOrder, refusals, identities } = await holding.end()
          const expected = { end: 'held', inOrder: true, refusals: 0, identities: [holding.answer.identity] }
          return { who, end, inOrder, refusals, identities, expected: { who, ...expected } }
        }),
      ),
  }
}
