/** The tree as a completion for fish 3 and later. */
import type { Flag, Offer, Tree } from './tree.ts'

export function fishScript(root: Tree): string {
  const names = root.children.map(({ name }) => name).join(' ')
  const lines = root.children.flatMap((child) => {
    const inside = ` -n '__fish_seen_subcommand_from ${child.name}'`
    const operands = offering(child.operands)
    return [
      `complete -c drawbridge -n __drawbridge_no_command -a ${child.name} -d ${quoted(child.summary)}`,
      ...(operands === '' ? [] : [`complete -c drawbridge${inside} ${operands}`]),
      ...child.flags.map((flag) => flagLine(inside, flag)),
    ]
  })
  const noCommand = `function __drawbridge_no_command
  not __fish_seen_subcommand_from ${names}
end`
  return `${[head, noCommand, ...root.flags.map((flag) => flagLine('', flag)), ...lines].join('\n')}\n`
}

const head = `# fish completion for drawbridge, made by: drawbridge completion fish
function __drawbridge_names
  set -l typed (commandline -opc)
  set -l where
  if set -l at (contains -i -- --state $typed)
    set where --state $typed[(math $at + 1)]
  end
  $typed[1] $where names 2>/dev/null
end
complete -c drawbridge -f`

function flagLine(inside: string, { spellings, summary, value, offer }: Flag): string {
  const names = spellings.map((one) => (one.startsWith('--') ? `-l ${one.slice(2)}` : `-s ${one.slice(1)}`))
  const taking = value === '' ? '' : ` ${offering(offer) || '-x'}`
  return `complete -c drawbridge${inside} ${names.join(' ')}${taking} -d ${quoted(summary)}`
}

/** -x: a value and no files; -rF: a value that is a file. */
function offering(offer: Offer): string {
  switch (offer.kind) {
    case 'nothing':
    case 'any':
      return ''
    case 'words':
      return `-xa ${quoted(offer.words.join(' '))}`
    case 'names':
      return "-xa '(__drawbridge_names)'"
    case 'files':
      return '-rF'
    case 'directories':
      return "-xa '(__fish_complete_directories)'"
  }
}

function quoted(text: string): string {
  return `'${text.replace(/['\\]/g, '\\$&')}'`
}
