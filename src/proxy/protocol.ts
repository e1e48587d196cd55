/** What the agent and the keeper of proxies say to each other: one JSON object a line. */
import { z } from 'zod'

const proxyName = z.enum(['haproxy', 'nginx'])

export const proxyMessage = z.discriminatedUnion('verb', [
  /** Has the proxy run with this configuration, and with these files beside it. Checked before it is used. */
  z.strictObject({
    verb: z.literal('run'),
    proxy: proxyName,
    stamp: z.string().regex(/^[0-9a-f]{16}$/),
    text: z.string(),
    files: z.array(z.strictObject({ name: z.string().regex(/^[a-z0-9_]+\.pem$/), text: z.string() })),
  }),
  /** Has a running HAProxy do this over its runtime API; `text` is the configuration that says the same, for its next start. */
  z.strictObject({
    verb: z.literal('tell'),
    commands: z.array(z.string().regex(/^(set server|shutdown sessions server|show) [ -~]*$/)),
    text: z.string().nullable(),
  }),
  /** Ends the proxy. Connections that it has go on until they end, or end `now`. */
  z.strictObject({ verb: z.literal('stop'), proxy: proxyName, now: z.boolean() }),
  z.strictObject({ verb: z.literal('look') }),
])

export type ProxyMessage = z.infer<typeof proxyMessage>

/** How it is with one proxy. */
export interface ProxyState {
  readonly proxy: z.infer<typeof proxyName>
  readonly running: boolean
  /** The stamp of the configuration that it runs with; '' while it does not. */
  readonly stamp: string
  /** Why it ended by itself last, and when; '' when it has not. */
  readonly died: string
  readonly diedAt: string
  readonly deaths: number
}

export interface ProxyAnswerOf {
  /** `refused`: what was running runs on. `words`: why. */
  readonly run: { readonly outcome: 'running' | 'refused' | 'missing'; readonly words: string }
  /** What it answered to each. */
  readonly tell: { readonly answers: readonly string[] }
  readonly stop: Record<never, never>
  readonly look: { readonly proxies: readonly ProxyState[] }
}

export type ProxyReply =
  | { readonly id: number; readonly answer: ProxyAnswerOf[keyof ProxyAnswerOf] }
  | { readonly id: number; readonly failure: string }

/** Where things lie in the directory of the proxies. */
export const keeperSocket = 'keeper.sock'
export const haproxySocket = 'haproxy.sock'
