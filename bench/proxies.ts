/** The rows of proxies: each set up by hand, and by Drawbridge. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { forgetQuickly, type Gateway, type Lab, targetPort } from './lab.ts'
import { openAll, startDrawbridge } from './product.ts'
import type { Row } from './rows.ts'

const onePort = 8080

type Proxy = 'haproxy' | 'nginx'

/** By hand, the same again, and by Drawbridge: the first is what the others are divided by. */
export async function setUpProxies(lab: Lab, scratch: string, proxy: Proxy): Promise<readonly Row[]> {
  return [
    await byHand(lab, scratch, proxy, 'hand', `${proxy} by hand`),
    await byHand(lab, scratch, proxy, 'again', 'the same again (noise)'),
    await product(lab, scratch, proxy),
  ]
}

async function prepared(lab: Lab, name: string): Promise<Gateway> {
  const gateway = await lab.addGateway(name)
  // A proxy connects by itself, each time from another port, and there are not many.
  await gateway.run('sysctl', '-qw', 'net.ipv4.ip_local_port_range=2000 60999', 'net.ipv4.tcp_tw_reuse=1')
  return gateway
}

/** As short as it can be written. */
async function byHand(lab: Lab, scratch: string, proxy: Proxy, name: string, title: string): Promise<Row> {
  const gateway = await prepared(lab, `${proxy.slice(0, 2)}-${name}`)
  const directory = join(scratch, gateway.name)
  await mkdir(directory)
  const file = join(directory, 'cfg')
  await writeFile(file, texts[proxy](`${gateway.target}:${targetPort}`, directory))
  // In a session of its own, as ours is: the scheduler shares the processors among sessions first (sched(7)).
  const command = `setsid ${programs[proxy]} & echo ready; wait`
  await gateway.start('ready', 'sh', '-c', command, 'sh', file, directory)
  await guard(gateway)
  return { title, gateway, low: onePort, high: onePort, processes: await processesOf(gateway, proxy) }
}

/** What follows connections and translates those from inside, as a gateway has it; Drawbridge brings that with it. */
async function guard(gateway: Gateway): Promise<void> {
  await gateway.run(
    'nft',
    `table inet filter {
      chain input {
        type filter hook input priority filter; policy drop;
        ct state established,related accept
        iif lo accept
        tcp dport ${onePort} accept
      }
      chain postrouting {
        type nat hook postrouting priority srcnat;
        oif out ip saddr ${gateway.target}/24 masquerade
      }
    }`,
  )
  await forgetQuickly(gateway)
}

/** The proxy's processes in this network. */
async function processesOf({ run }: Gateway, proxy: Proxy): Promise<readonly number[]> {
  const namespace = (await run('readlink', '/proc/self/ns/net')).trim()
  const isOurs = (pid: string) => {
    try {
      const name = readFileSync(`/proc/${pid}/comm`, 'utf8').trim()
      return name === proxy && readlinkSync(`/proc/${pid}/ns/net`) === namespace
    } catch {
      return false
    }
  }
  for (let waited = 0; waited < 100; waited += 1) {
    const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && isOurs(name))
    // A master has its workers a moment later.
    if (pids.length > 0 && waited > 10) return pids.map(Number)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error(`${proxy} does not run`)
}

const programs: Readonly<Record<Proxy, string>> = {
  haproxy: 'haproxy -db -f "$1"',
  nginx: 'nginx -e stderr -p "$2" -c "$1"',
}

const texts: Readonly<Record<Proxy, (target: string, directory: string) => string>> = {
  haproxy: (target) => `defaults
  mode tcp
  timeout connect 3s
  timeout client 1h
  timeout server 1h
frontend in
  bind :${onePort}
  default_backend out
backend out
  balance leastconn
  server one ${target}
`,
  nginx: (target, directory) => `load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off;
worker_processes auto;
pid ${directory}/pid;
events { worker_connections 4096; }
stream {
  upstream out { zone out 64k; least_conn; server ${target}; }
  server { listen ${onePort}; proxy_pass out; }
}
`,
}

async function product(lab: Lab, scratch: string, via: Proxy): Promise<Row> {
  const gateway = await prepared(lab, `${via.slice(0, 2)}-own`)
  const drawbridge = await startDrawbridge(gateway, join(scratch, gateway.name))
  const to = `${gateway.target}:${targetPort}`
  await openAll(drawbridge, [{ listen: `tcp/${onePort}`, to, via, balance: 'least-connections' }])
  await forgetQuickly(gateway)
  const processes = await processesOf(gateway, via)
  return { title: `Drawbridge, via: ${via}`, gateway, low: onePort, high: onePort, processes }
}
