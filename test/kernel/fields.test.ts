/** The text of an element and its bytes in the kernel are one and the same. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { FieldType } from '../../src/compile/sets.ts'
import { decodeFields, encodeFields } from '../../src/kernel/fields.ts'
import { readAddress } from '../../src/model/address.ts'
import { address4, address6, holds } from '../model/arbitrary.ts'
import { must } from '../model/problems.ts'

const word = fc.integer({ min: 0, max: 0xffffffff })

const values: Readonly<Record<FieldType, fc.Arbitrary<string>>> = {
  nf_proto: fc.constantFrom('ipv4', 'ipv6'),
  inet_proto: fc.oneof(fc.constantFrom('tcp', 'udp'), fc.constantFrom('1', '132')),
  inet_service: fc.integer({ min: 0, max: 65535 }).map(String),
  classid: word.map((number) => `${(number >>> 16).toString(16)}:${(number & 0xffff).toString(16)}`),
  ipv4_addr: address4,
  ipv6_addr: address6.map((text) => must(readAddress(text)).text),
  ifname: fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}$/).map((name) => `"${name}"`),
  iface_index: word.map(String),
  slot: word.map(String),
}

const types = fc.array(fc.constantFrom(...(Object.keys(values) as FieldType[])), {
  minLength: 1,
  maxLength: 5,
})
const elements = types.chain((layout) =>
  fc.tuple(...layout.map((type) => values[type])).map((fields) => ({ layout, text: fields.join(' . ') })),
)

test('any fields, one alone or several joined', () => {
  holds(
    elements,
    ({ layout, text }) => expect(decodeFields(layout, encodeFields(layout, text))).toBe(text),
    2000,
  )
})

describe('the bytes are those of the kernel', () => {
  test.each([
    [['inet_service'], '443', '01bb'],
    [['inet_proto', 'inet_service'], 'udp . 53', '1100000000350000'],
    [['nf_proto', 'inet_proto', 'inet_service'], 'ipv6 . tcp . 80', '0a0000000600000000500000'],
    [['ipv4_addr'], '10.0.0.5', '0a000005'],
    [['ipv6_addr'], 'fd00::5', 'fd000000000000000000000000000005'],
    [['ifname'], '"eth0"', '65746830000000000000000000000000'],
  ] as const)('%j %s', (layout, text, bytes) => {
    expect(encodeFields(layout, text).toString('hex')).toBe(bytes)
  })
})
