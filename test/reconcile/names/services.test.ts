/** SRV names, and names that only a plan asks about. */
import { beforeEach, describe, expect, test } from 'vitest'
import type { Service } from '../../../src/reconcile/names/asking.ts'
import { places, type Scene, scene, texts, words } from './zone.ts'

const second = 1000

let at: Scene

beforeEach(() => {
  at = scene()
})

describe('an SRV name', () => {
  const http = 'srv:_http._tcp.example.org'
  const service = (name: string, port: number, weight: number, priority = 0): Service => ({
    name,
    port,
    weight,
    priority,
  })

  test('leads to the addresses of its services, by port and weight, and follows each of them', async () => {
    at.zone[http] = [service('a', 8080, 40), service('b', 8081, 10), service('c', 1, 1, 5)]
    at.zone.a = [5, '10.0.0.1', '10.0.0.2', 'fd00::1']
    at.zone.b = [5, '10.0.0.3']
    const names = at.start()
    names.follow([http])
    await at.clock.pass(100)
    expect(places(names, http)).toEqual([
      ['10.0.0.1', 8080, 2],
      ['10.0.0.2', 8080, 2],
      ['10.0.0.3', 8081, 1],
      ['fd00::1', 8080, 1],
    ])
    expect(at.asked).not.toContain('c')
    at.changed.length = 0
    at.zone.b = [5, '10.0.0.4']
    await at.clock.pass(6 * second)
    expect(at.changed).toEqual([[http]])
    expect(texts(names, http)).toEqual(['10.0.0.1', '10.0.0.2', '10.0.0.4', 'fd00::1'])
    at.zone[http] = [service('b', 8081, 0)]
    await at.clock.pass(2 * second)
    expect(places(names, http)).toEqual([['10.0.0.4', 8081, 1]])
    expect(words(names, http)).toBe(`${http} -> 10.0.0.4:8081`)
    names.stop()
  })

  test('keeps its services when they are gone, and tells which of them has no address', async () => {
    at.zone[http] = [service('a', 8080, 1), service('b', 8081, 1)]
    at.zone.a = [5, '10.0.0.1']
    const names = at.start()
    names.follow([http])
    await at.clock.pass(100)
    expect(places(names, http)).toEqual([['10.0.0.1', 8080, 1]])
    expect(words(names, http)).toContain('b: there is no such name since 2027-')
    at.zone[http] = 'gone'
    await at.clock.pass(60 * second)
    expect(places(names, http)).toEqual([['10.0.0.1', 8080, 1]])
    expect(words(names, http)).toContain('there is no such name since')
    names.stop()
  })
})

describe('whoever plans', () => {
  test('gets an answer for a name that nobody follows yet, and the name is forgotten again', async () => {
    at.zone.app = [1, '10.0.0.5']
    const names = at.start()
    const settled = names.settle(['app', 'srv:nope'], 3 * second)
    await at.clock.pass(0)
    await settled
    expect(texts(names, 'app')).toEqual(['10.0.0.5'])
    expect(at.changed).toEqual([])
    await at.clock.pass(120 * second)
    expect(texts(names, 'app')).toEqual([])
    names.stop()
  })

  test('does not wait for a silent server beyond the time given', async () => {
    at.zone.app = 'silent'
    const names = at.start()
    let over = false
    void names.settle(['app'], 3 * second).then(() => {
      over = true
    })
    await at.clock.pass(2 * second)
    expect(over).toBe(false)
    await at.clock.pass(second)
    expect(over).toBe(true)
    expect(words(names, 'app')).toBe('app: not asked yet')
    names.stop()
  })
})
