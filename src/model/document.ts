/** The shapes in which people and programs write a gateway: YAML, JSON, REST. Checked once, here. */
import { distance } from 'fastest-levenshtein'
import { z } from 'zod'
import { healthDocument } from './health.ts'
import { fieldAt, Problem, shown } from './problem.ts'

const target = z.union([
  z.string(),
  z.strictObject({
    host: z.string(),
    port: z.union([z.string(), z.number()]).optional(),
    weight: z.number().optional(),
    drain: z.boolean().optional(),
  }),
])

/** A forward as written. Strings are parsed further by the model; unknown keys are refused. */
export const forwardDocument = z.strictObject({
  name: z.string().optional(),
  listen: z.string(),
  to: z.union([target, z.array(target)]),
  balance: z.enum(['random', 'round-robin', 'source', 'least-connections']).optional(),
  on_all_down: z.enum(['refuse', 'keep']).optional(),
  health: healthDocument.optional(),
  from: z.union([z.string(), z.array(z.string())]).optional(),
  source_nat: z.string().optional(),
  limits: z
    .strictObject({
      new_per_source: z.string().optional(),
      open_per_source: z.union([z.number(), z.string()]).optional(),
    })
    .optional(),
  on_change: z.enum(['drain', 'cut', 'keep']).optional(),
  via: z.enum(['haproxy', 'nginx']).optional(),
  proxy_protocol: z.enum(['v1', 'v2']).optional(),
  sni: z.string().optional(),
  tls: z.strictObject({ certificate: z.string(), key: z.string() }).optional(),
  queue: z.strictObject({ per_target: z.number(), wait: z.number().optional() }).optional(),
  retries: z.number().optional(),
  expires: z.union([z.string(), z.date()]).optional(),
  note: z.string().optional(),
  enabled: z.boolean().optional(),
})

export const gatewayDocument = z.strictObject({
  version: z.literal(1),
  privileged: z.boolean().optional(),
  mark: z.string().optional(),
  lists: z.record(z.string(), z.array(z.string())).optional(),
  forwards: z.array(z.unknown()).optional(),
})

export type ForwardDocument = z.infer<typeof forwardDocument>
export type GatewayDocument = z.infer<typeof gatewayDocument>

/** Parses `value` by `schema`; the first issue becomes a problem that names the field. */
export function readDocument<S extends z.ZodType>(schema: S, field: string, value: unknown): z.infer<S> {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  throw problemOf(schema, field, value, result.error.issues)
}

function problemOf(
  schema: z.ZodType,
  field: string,
  value: unknown,
  issues: readonly z.core.$ZodIssue[],
): Problem {
  const issue = deepest(issues)
  const at = fieldAt(field, ...issue.path)
  const found = issue.path.reduce<unknown>(
    (inner, key) => (inner as Record<PropertyKey, unknown>)?.[key],
    value,
  )
  if (issue.code === 'unrecognized_keys') {
    const key = issue.keys[0] ?? ''
    const known = keysAt(schema, issue.path)
    return Problem.of('unknown-key', {
      field: fieldAt(field, ...issue.path, key),
      known: known.join(', '),
      nearest: nearest(key, known),
    })
  }
  if (found === undefined) return Problem.of('missing-value', { field: at || 'document' })
  const expected = expectedOf(issue)
  return Problem.of('bad-value', { field: at || 'document', value: shown(found), expected })
}

/** A key that is not known says more than the one it stood for; in a union each member complains; the one that got furthest into the value knows best what is wrong. */
function deepest(issues: readonly z.core.$ZodIssue[]): z.core.$ZodIssue {
  const unknown = issues.find(({ code }) => code === 'unrecognized_keys')
  const issue = unknown ?? (issues[0] as z.core.$ZodIssue)
  if (issue.code !== 'invalid_union') return issue
  const inner = issue.errors.map((errors) => (errors.length > 0 ? deepest(errors) : issue))
  const best = inner.find((one) => one.code === 'unrecognized_keys' || one.path.length > 0)
  return best ? { ...best, path: [...issue.path, ...best.path] } : { ...issue, errors: [] }
}

function expectedOf(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return `${/^[aeiou]/.test(issue.expected) ? 'an' : 'a'} ${issue.expected}`
    case 'invalid_value':
      return issue.values.map(String).join(' or ')
    default:
      return 'a text, or a list of texts'
  }
}

function keysAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  if (schema instanceof z.ZodOptional) return keysAt(schema.unwrap() as z.ZodType, path)
  if (schema instanceof z.ZodUnion)
    return schema.options.flatMap((option) => keysAt(option as z.ZodType, path))
  if (schema instanceof z.ZodArray) return keysAt(schema.element as z.ZodType, path.slice(1))
  if (!(schema instanceof z.ZodObject)) return []
  const [key, ...rest] = path
  return key === undefined ? Object.keys(schema.shape) : keysAt(schema.shape[key as string], rest)
}

/** The known word closest to `word`, or '' when none is close. */
export function nearest(word: string, known: readonly string[]): string {
  if (word.length > 64) return ''
  const scored = known.map((one) => ({ one, far: distance(word.toLowerCase(), one.toLowerCase()) }))
  const best = scored.sort((a, b) => a.far - b.far)[0]
  return best && best.far <= Math.max(1, Math.floor(word.length / 2)) ? best.one : ''
}
