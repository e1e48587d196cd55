import { expect, test } from 'vitest'
import { describeHolder } from '../../src/model/holder.ts'

test.each([
  [
    { user: 'root', unit: 'nginx.service', program: 'nginx', pid: 812 },
    'nginx (process 812 of nginx.service, user root)',
  ],
  [{ user: 'root', unit: null, program: 'nc', pid: 9 }, 'nc (process 9, user root)'],
  [{ user: 'www-data', unit: null, program: null, pid: null }, 'a program (user www-data)'],
  [
    { user: 'clp', unit: 'clp-nginx.service', program: 'nginx', pid: 612 },
    'nginx of CloudPanel (process 612 of clp-nginx.service, user clp)',
  ],
])('%o is called by what is known of it', (holder, words) => {
  expect(describeHolder(holder)).toBe(words)
})
