/** What is put into the sets and maps of the table. */

/** One element: `key` and `data` are its fields as nft prints them, joined by ` . `. */
export interface Element {
  readonly set: string
  readonly key: string
  readonly data?: string
}

/** A number as a traffic class id, which is how nft writes `meta priority`: two 16-bit halves in hexadecimal. */
export function classid(number: number): string {
  return `${(number >>> 16).toString(16)}:${(number & 0xffff).toString(16)}`
}

/** The number that a class id stands for. */
export function numberOf(id: string): number {
  const [major = '', minor = ''] = id.split(':')
  return Number.parseInt(major, 16) * 0x10000 + Number.parseInt(minor, 16)
}
