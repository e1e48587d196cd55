/** The tree as a completion for zsh: for a file `_drawbridge` in $fpath, or to be sourced after compinit. */
import type { Branch, Flag, Offer, Tree } from './tree.ts'

export function zshScript(root: Tree): string {
  return `${[head, ...bodyOf(root), tail].join('\n')}\n`
}

const head = `#compdef drawbridge
# zsh completion for drawbridge, made by: drawbridge completion zsh

_drawbridge_names() {
  local -a names where
  local -i at=\${typed[(I)--state]}
  ((at)) && where=(--state "\${(Q)typed[at + 1]}")
  names=(\${(f)"$("\${(Q)typed[1]}" $where names 2>/dev/null)"})
  compadd -a names
}
`

const tail = `
if [[ $funcstack[1] == _drawbridge ]]; then
  _drawbridge "$@"
else
  compdef _drawbridge drawbridge
fi`

function bodyOf(root: Tree): readonly string[] {
  const everywhere = root.flags.map((flag) => `    ${specOf(flag)} \\`)
  const commands = root.children.map(({ name, summary }) => `    ${quoted(`${name}:${summary}`)}`)
  return [
    `_drawbridge() {
  local curcontext=$curcontext state line
  local -a commands typed=("\${words[@]}")
  typeset -A opt_args
  commands=(`,
    ...commands,
    `  )
  _arguments -C \\`,
    ...everywhere,
    `    '1:command:->command' '*::argument:->argument' && return
  case $state in
    command) _describe -t commands command commands ;;
    argument)
      case $line[1] in`,
    ...root.children.flatMap((child) => commandLines(child, everywhere)),
    `      esac ;;
  esac
}`,
  ]
}

function commandLines(child: Branch, everywhere: readonly string[]): readonly string[] {
  const flags = [...child.flags.map((flag) => `    ${specOf(flag)} \\`), ...everywhere]
  return [
    `        ${child.name}) _arguments \\`,
    ...flags.map((line) => `        ${line}`),
    `            ${quoted(`*:argument:${offering(child.operands)}`)} ;;`,
  ]
}

/** `'(-o --output)'{-o,--output}'[summary]:FORMAT:(table json yaml)'`; a flag may come again, as --from does. */
function specOf({ spellings, summary, value, offer }: Flag): string {
  const about = `[${summary.replace(/[[\]\\]/g, '\\$&').replaceAll(':', '\\:')}]`
  const taking = value === '' ? '' : `:${value}:${offering(offer)}`
  const names =
    spellings.length > 1 ? `{${spellings.map((one) => `\\*${one}`).join(',')}}` : `\\*${spellings[0]}`
  return `${names}${quoted(`${about}${taking}`)}`
}

function offering(offer: Offer): string {
  switch (offer.kind) {
    case 'nothing':
    case 'any':
      return ' '
    case 'words':
      return `(${offer.words.join(' ')})`
    case 'names':
      return '_drawbridge_names'
    case 'files':
      return '_files'
    case 'directories':
      return '_files -/'
  }
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
