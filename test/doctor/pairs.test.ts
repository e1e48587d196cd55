/**
 * Two faults at once, which mask each other: the headline is one of the two, its remedy leaves the other, which is the next
 * headline; only when both are mended packets come through.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startDrawbridge } from '../lab/drawbridge.ts'
import { startLab } from '../lab/lab.ts'
import { moreThere } from './faults-beyond.ts'
import { faultsHere } from './faults-here.ts'
import { moreHere } from './faults-more.ts'
import { faultsOfRules } from './faults-rules.ts'
import { faultsThere } from './faults-there.ts'
import { type Fault, look, mendAs, type Scene, web, worksNow } from './scene.ts'

let scene: Scene
const told: string[] = []

beforeAll(async () => {
  const lab = await startLab()
  scene = { lab, drawbridge: await startDrawbridge(lab), ends: new Map() }
  for (const protocol of ['tcp', 'udp'] as const) await lab.server.answers(protocol, 80)
  await lab.gateway.run('sysctl', ['-qw', 'net.ipv4.ping_group_range=0 2147483647'])
})
afterAll(async () => {
  console.log(['| two faults | first headline | then |', '| --- | --- | --- |', ...told].join('\n'))
  await scene?.lab.close()
})

const all = [...faultsHere, ...faultsOfRules, ...faultsThere, ...moreHere, ...moreThere]

function named(name: string): Fault {
  const found = all.find((one) => one.name === name)
  if (!found) throw new Error(`no fault ${name}`)
  return found
}

/** The second one takes place in the forward of the first. */
const pairs: readonly (readonly [first: string, second: string])[] = [
  ['forwarding off', 'target switched off'],
  ['nothing listens at the target', 'a rule drops before connection tracking'],
  ['nothing listens at the target', 'forwarding off'],
  ['switched off', 'a blackhole route to the target'],
  ['lockdown', 'target switched off'],
  ['the target has no route back to the client', 'a policy drops in forward'],
  ['target switched off', 'iptables drops in raw'],
  ['inside interface without a carrier', 'switched off'],
  ['the firewall of the target drops', 'another program forwards the port first'],
  ['the firewall of the target rejects', 'forwarding off on one interface'],
  ['TCP asked and UDP there', 'the hardware address of the target is written by hand, and wrong'],
  ['the target takes connections and closes them', 'iptables drops in mangle'],
  ['nobody has the address of the target', 'switched off'],
  ['client not among the sources', 'target switched off'],
  ['a service of this machine has ended', 'switched off'],
  ['rp_filter is strict and the way back another', 'target switched off'],
]

const chosen = process.env.DRAWBRIDGE_LONG ? pairs : pairs.slice(0, 4)

for (const [first, second] of chosen)
  test(`${first}, and ${second}`, { timeout: 90_000 }, async () => {
    const [a, b] = [named(first), named(second)]
    // Everything is asked as the first one wants it.
    const left = [a, { ...b, from: a.from, works: a.works }] as Fault[]
    const headlines: string[] = []
    try {
      await a.prepare?.(scene)
      const { listen, to, wishes } = a.opens?.(scene) ?? web
      await scene.drawbridge.opens(listen, to, wishes)
      await worksNow(scene, a, true, 'it works before')
      await a.inject(scene)
      await b.inject(scene)
      while (left.length > 0) {
        await worksNow(scene, a, false, 'it does not work')
        const sick = await look(scene, a)
        const at = left.findIndex(({ code }) => code === sick.headline?.code)
        expect(at, JSON.stringify(sick)).toBeGreaterThanOrEqual(0)
        headlines.push(sick.headline?.code ?? '')
        const [one] = left.splice(at, 1)
        if (one) await mendAs(scene, one, sick)
      }
      await worksNow(scene, a, true, 'both are mended')
      expect((await look(scene, a)).headline, 'healthy after').toBeNull()
      told.push(`| ${first} + ${second} | ${headlines[0]} | ${headlines[1]} |`)
    } finally {
      for (const one of left) if (typeof one.mend === 'function') await one.mend(scene).catch(() => {})
      await a.tidy?.(scene)
      await b.tidy?.(scene)
      const { forwards } = await scene.drawbridge.api.forwards()
      if (forwards.length > 0) await scene.drawbridge.api.close({ names: forwards.map(({ name }) => name) })
    }
  })
