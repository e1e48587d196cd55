/** The flags. Choices and the words FILE and DIR also tell completion what to offer. */
import { Option } from 'commander'
import { formats } from './output.ts'

const collect = (value: string, before: readonly string[] | undefined): readonly string[] => [
  ...(before ?? []),
  ...value.split(','),
]

export const stateOption = new Option(
  '--state <DIR>',
  'state directory (default: DRAWBRIDGE_STATE, or /var/lib/drawbridge)',
)

export const outputOption = new Option(
  '-o, --output <FORMAT>',
  'how to print the answer (default: table)',
).choices(formats)

const privilegedOption = new Option('--privileged', 'allow ports below 1024')

/** What every change can be asked with. */
export const trialOptions: readonly Option[] = [
  new Option('--dry-run', 'say what would be done and what it would do to live connections, and do nothing'),
  new Option(
    '--confirm <DURATION>',
    'undo the change by itself after that time, unless you say: drawbridge confirm (0: you know that it need not be)',
  ),
  new Option('--based <GENERATION>', 'only if the gateway is still at this generation, as a plan names it'),
]

/** Of `open` it belongs to the forward as well. */
const reasonOption = new Option('--note <TEXT>', 'why, in one line for the history')

/** For commands that need nothing else. */
export const changeOptions: readonly Option[] = [...trialOptions, reasonOption]

const takeOverOption = new Option('--take-over', 'hide services of this machine that listen on the same port')

export const enableOptions: readonly Option[] = [takeOverOption, ...changeOptions]

export const openOptions: readonly Option[] = [
  new Option('--name <N>', 'name of the forward (default: made of LISTEN)'),
  new Option(
    '--from <SOURCES>',
    'who may connect: addresses, prefixes or lists, comma separated; may be repeated (default: anywhere)',
  ).argParser(collect),
  new Option('--for <DURATION>', 'close by itself after 90s, 15m, 2h or 3d'),
  // `choices` alone would refuse an address; here they only feed help and completion.
  new Option('--source-nat <MODE>', 'how the source address is treated; an address of this gateway works too')
    .choices(['auto', 'preserve', 'masquerade'])
    .argParser((value) => value),
  new Option('--balance <HOW>', 'which of several targets a new connection goes to').choices([
    'random',
    'round-robin',
    'source',
    'least-connections',
  ]),
  new Option('--via <PROXY>', 'through a proxy of this machine, for what the kernel cannot').choices([
    'haproxy',
    'nginx',
  ]),
  new Option(
    '--proxy-protocol <VERSION>',
    'tell targets the address of the client by the PROXY protocol',
  ).choices(['v1', 'v2']),
  new Option(
    '--sni <NAME>',
    'only TLS connections that ask for this server name; others may share the opening',
  ),
  new Option('--on-all-down <WHAT>', 'what to do with new connections when no target takes any').choices([
    'refuse',
    'keep',
  ]),
  new Option(
    '--health <CHECK>',
    'take dead targets out: tcp, or with more as in a file, such as http,path=/healthz,every=2s',
  ),
  new Option('--new-per-source <RATE>', 'new connections per source address, such as 30/s, 100/m or 1000/h'),
  new Option('--open-per-source <COUNT>', 'connections open at the same time per source address'),
  new Option('--on-change <HOW>', 'what becomes of established connections when the forward changes').choices(
    ['drain', 'cut', 'keep'],
  ),
  new Option(
    '--note <TEXT>',
    'one line for those who come after you, kept with the forward and in the history',
  ),
  new Option('--disabled', 'keep it, but do not open it yet'),
  privilegedOption,
  takeOverOption,
  ...trialOptions,
]

const fileOption = new Option(
  '-f, --file <FILE>',
  'gateway file in YAML or JSON; - is standard input',
).makeOptionMandatory()

const pruneOption = new Option('--prune', 'also remove forwards and lists that the file does not name')

export const planOptions: readonly Option[] = [
  fileOption,
  pruneOption,
  new Option('--nft', 'also print the elements that change, as nft would be told'),
  privilegedOption,
  takeOverOption,
]

export const applyOptions: readonly Option[] = [
  fileOption,
  pruneOption,
  privilegedOption,
  takeOverOption,
  ...changeOptions,
]

export const auditOptions: readonly Option[] = [
  new Option(
    '--since <WHEN>',
    'only what came later: a generation, a span such as 2h, a day such as 2026-11-24 (UTC) or an instant',
  ),
  new Option('--until <WHEN>', 'only what came before: a span, a day or an instant'),
  new Option('--verify', 'check the chain of hashes from the first entry to the last'),
  new Option(
    '--rotate <COUNT>',
    'move all but the newest COUNT entries to archives; they stay part of the log',
  ),
]

export const drainOptions: readonly Option[] = [
  new Option('--wait <DURATION>', 'say when the last connection has ended, and fail when it has not by then'),
  ...changeOptions,
]

export const traceOptions: readonly Option[] = [
  new Option('--from <ADDRESS>', 'whose packet it is to be: the address of a client')
    .argParser(collect)
    .makeOptionMandatory(),
  new Option('--proto <PROTO>', 'of an opening for both (default: its first)').choices(['tcp', 'udp']),
  new Option('--port <PORT>', 'of an opening with several ports (default: its first)'),
  new Option('--size <BYTES>', 'make the packet so large, and not to be fragmented: asks about the MTU'),
]

export const lockdownOptions: readonly Option[] = [
  new Option('--lift', 'open the forwards again'),
  ...changeOptions,
]
