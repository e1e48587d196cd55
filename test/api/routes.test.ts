/** What docs/behaviour.md lists is what the API has. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const textOf = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')

test('every route of the API is listed in docs/behaviour.md, and no other', () => {
  const app = textOf('src/api/app.ts')
  const served = [...app.matchAll(/app\.(get|post)\('\/api\/v1(\/[^']+)'/g)].map(
    ([, method = '', path = '']) => `${method.toUpperCase()} ${path}`,
  )
  const [, list = ''] = textOf('docs/behaviour.md').split('Routes of the API')
  const listed = [...list.matchAll(/`((?:GET|POST) \/[^`]+)`/g)].map(([, route]) => route)
  expect(served.length).toBeGreaterThan(20)
  expect(listed.sort()).toEqual([...new Set(served)].sort())
})
