/**
 * The real CrowdSec in the gateway of a lab: its local API, without the parts that read logs and without its central API,
 * and its firewall bouncer where that is wanted. Everything it keeps is in a directory of its own.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { Lab } from './lab.ts'

export interface CrowdSec {
  readonly url: string
  /** `decisions add --ip ADDRESS --duration 4h` and the like. */
  cscli(...words: readonly string[]): Promise<string>
  /** Makes a bouncer known; gives its key. */
  addBouncer(name: string): Promise<string>
  /** Ends the API, and starts it again. */
  restart(): Promise<void>
  /** Starts crowdsec-firewall-bouncer; in its mode `iptables` it keeps its bans in an ipset. */
  startBouncer(mode: 'nftables' | 'iptables'): Promise<void>
}

const port = 8085
const url = `http://127.0.0.1:${port}/`
const patience = 20_000

/** YAML takes JSON. */
const configOf = (directory: string) =>
  JSON.stringify({
    common: { daemonize: false, log_media: 'stdout', log_level: 'info' },
    config_paths: {
      config_dir: directory,
      data_dir: join(directory, 'data'),
      simulation_path: '/etc/crowdsec/simulation.yaml',
      hub_dir: '/var/lib/crowdsec/hub/',
      index_path: '/var/lib/crowdsec/hub/.index.json',
      notification_dir: join(directory, 'notifications'),
      plugin_dir: '/usr/lib/crowdsec/plugins/',
    },
    db_config: { type: 'sqlite', db_path: join(directory, 'data/crowdsec.db'), use_wal: true },
    api: {
      client: { credentials_path: join(directory, 'local.yaml') },
      server: { listen_uri: `127.0.0.1:${port}`, profiles_path: '/etc/crowdsec/profiles.yaml' },
    },
    prometheus: { enabled: false },
  })

const bouncerOf = (directory: string, key: string, mode: string) =>
  JSON.stringify({
    mode,
    ipset_type: 'nethash',
    iptables_chains: ['INPUT'],
    pid_dir: directory,
    update_frequency: '1s',
    daemonize: false,
    log_mode: 'stdout',
    log_level: 'info',
    api_url: url,
    api_key: key,
    disable_ipv6: false,
    deny_action: 'DROP',
    supported_decisions_types: ['ban'],
    blacklists_ipv4: 'crowdsec-blacklists',
    blacklists_ipv6: 'crowdsec6-blacklists',
    nftables: {
      ipv4: { enabled: true, 'set-only': false, table: 'crowdsec', chain: 'crowdsec-chain' },
      ipv6: { enabled: true, 'set-only': false, table: 'crowdsec6', chain: 'crowdsec6-chain' },
    },
    prometheus: { enabled: false },
  })

export async function startCrowdSec(lab: Lab): Promise<CrowdSec> {
  const directory = await mkdtemp(join(tmpdir(), 'crowdsec-'))
  lab.defer(() => rm(directory, { recursive: true, force: true }))
  for (const name of ['data', 'notifications']) await mkdir(join(directory, name))
  const [config, credentials] = [join(directory, 'config.yaml'), join(directory, 'local.yaml')]
  await writeFile(config, configOf(directory))
  await writeFile(credentials, '')
  const cscli = (...words: readonly string[]) => lab.gateway.run('cscli', ['-c', config, ...words])
  await cscli('machines', 'add', 'lab', '--password', 'lab-of-tests', '-f', credentials, '--force')
  const begin = async () => {
    const running = lab.gateway.spawn('crowdsec', ['-c', config, '-no-cs', '-no-capi'])
    await expect.poll(() => lab.gateway.listens('tcp', port), { timeout: patience }).toBe(true)
    return running
  }
  let running = await begin()
  const addBouncer = async (name: string) => (await cscli('-oraw', 'bouncers', 'add', name)).trim()
  return {
    url,
    cscli,
    addBouncer,
    restart: async () => {
      await running.end()
      running = await begin()
    },
    startBouncer: async (mode) => {
      const file = join(directory, 'bouncer.yaml')
      await writeFile(file, bouncerOf(directory, await addBouncer('firewall'), mode))
      lab.gateway.spawn('crowdsec-firewall-bouncer', ['-c', file])
      const rules = () => lab.gateway.run('nft', ['list', 'ruleset'])
      const last = mode === 'nftables' ? 'crowdsec6-chain' : 'ip6 filter'
      await expect.poll(rules, { timeout: patience }).toContain(last)
    },
  }
}
