/** What holds for every forward and every gateway, and for every text and value that is none. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readAddress } from '../../src/model/address.ts'
import { describeForward } from '../../src/model/describing.ts'
import { parseForward, printForward } from '../../src/model/forward.ts'
import { parseGateway, printGateway } from '../../src/model/gateway.ts'
import { type Listen, parseListen, printListen } from '../../src/model/listen.ts'
import { Problem } from '../../src/model/problem.ts'
import { address4, address6, forwardDocuments, forwards, gateways, holds, texts } from './arbitrary.ts'
import { expectClean } from './problems.ts'

describe('what is printed can be read again', () => {
  test('forwards', () => {
    holds(forwards, (forward) => expect(parseForward(printForward(forward))).toEqual(forward))
  })

  test('forwards that went through JSON, as to the store and the agent', () => {
    holds(forwards, (forward) => {
      expect(parseForward(JSON.parse(JSON.stringify(printForward(forward))))).toEqual(forward)
    })
  })

  test('gateways', () => {
    holds(gateways, (gateway) => expect(parseGateway(printGateway(gateway))).toEqual(gateway), 200)
  })

  test('addresses, and the text is the same then', () => {
    holds(fc.oneof(address4, address6), (text) => {
      const address = readAddress(text)
      expect(address).toBeDefined()
      expect(readAddress(address?.text ?? '')).toEqual(address)
    })
  })

  test('openings, whatever was written', () => {
    holds(texts, (text) => {
      const listen = listenOf(() => parseListen('listen', text))
      if (listen) expect(parseListen('listen', printListen(listen))).toEqual(listen)
    })
  })
})

test('the sentence of a forward is one clean line', () => {
  holds(forwards, (forward) => expect(describeForward(forward)).toMatch(/^[^\p{Cc}\p{Zl}\p{Zp}]+$/u))
})

describe('anything else is a problem, in one clean line', () => {
  test('text as a forward', () => {
    holds(texts, (text) => expectValueOrProblem(() => parseForward(text)), 2000)
  })

  test('JSON as a forward', () => {
    holds(fc.jsonValue(), (value) => expectValueOrProblem(() => parseForward(value)))
  })

  test('a forward with a key or two that are wrong', () => {
    holds(nearlyForwards, (value) => expectValueOrProblem(() => parseForward(value)), 2000)
  })

  test('JSON as a gateway', () => {
    holds(fc.jsonValue(), (value) => expectValueOrProblem(() => parseGateway(value)))
  })

  test('a gateway with anything in it', () => {
    holds(nearlyGateways, (value) => expectValueOrProblem(() => parseGateway(value)), 1000)
  })

  test('JSON as deep as a parser lets it through', () => {
    const deep: unknown = JSON.parse('['.repeat(50_000) + ']'.repeat(50_000))
    expectValueOrProblem(() => parseForward({ listen: deep, to: '10.0.0.5' }))
    expectValueOrProblem(() => parseGateway({ version: 1, forwards: deep }))
  })
})

const anything = fc.oneof(texts, fc.jsonValue({ maxDepth: 3 }))

const forwardKey = fc.constantFrom(
  'name',
  'listen',
  'to',
  'from',
  'source_nat',
  'limits',
  'expires',
  'note',
  'enabled',
)

/** A valid forward in which a key or two are something else. */
const nearlyForwards = fc
  .tuple(forwardDocuments, fc.dictionary(fc.oneof(forwardKey, texts), anything, { maxKeys: 2 }))
  .map(([document, wrong]) => ({ ...document, ...wrong }))

const nearlyGateways = fc.record(
  {
    version: fc.oneof({ weight: 9, arbitrary: fc.constant(1) }, { weight: 1, arbitrary: anything }),
    mark: texts,
    privileged: fc.oneof(fc.boolean(), anything),
    lists: fc.oneof(anything, fc.dictionary(texts, fc.oneof(anything, fc.array(anything)))),
    forwards: fc.oneof(anything, fc.array(fc.oneof(nearlyForwards, anything), { maxLength: 3 })),
  },
  { requiredKeys: ['version'] },
)

function listenOf(parse: () => Listen): Listen | undefined {
  try {
    return parse()
  } catch (error) {
    if (error instanceof Problem) return undefined
    throw error
  }
}

/** Parses, and looks at the problem when there is one. Any other error goes on and fails the test. */
function expectValueOrProblem(parse: () => unknown): void {
  try {
    parse()
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    expectClean(error)
  }
}
