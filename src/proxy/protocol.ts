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
const proxyState = z.strictObject({
  proxy: proxyName,
  running: z.boolean(),
  /** The stamp of the configuration that it runs with; '' while it does not. */
  stamp: z.string(),
  /** Why it ended by itself last, and when; '' when it has not. */
  died: z.string(),
  diedAt: z.string(),
  deaths: z.int(),
})

export type ProxyState = Readonly<z.infer<typeof proxyState>>

export const proxyAnswers = {
  /** `refused`: what was running runs on. `words`: why. */
  run: z.strictObject({ outcome: z.enum(['running', 'refused', 'missing']), words: z.string() }),
  /** What it answered to each. */
  tell: z.strictObject({ answers: z.array(z.string()).readonly() }),
  stop: z.strictObject({}),
  look: z.strictObject({ proxies: z.array(proxyState).readonly() }),
} as const satisfies Readonly<Record<ProxyMessage['verb'], z.ZodType>>

export type ProxyAnswerOf = { readonly [Verb in ProxyMessage['verb']]: z.infer<(typeof proxyAnswers)[Verb]> }

export const proxyReply = z.union([
  z.strictObject({ id: z.int(), answer: z.unknown() }),
  z.strictObject({ id: z.int(), failure: z.string() }),
])

export type ProxyReply = z.infer<typeof proxyReply>

/** Where things lie in the directory of the proxies. */
export const keeperSocket = 'keeper.sock'
export const haproxySocket = 'haproxy.sock'
