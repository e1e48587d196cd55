/** The tree as a completion for bash 4 and later; needs no other package. */
import type { Flag, Offer, Tree } from './tree.ts'

export function bashScript(root: Tree): string {
  return `${[head, ...positionOf(root), ...valuesOf(root), ...wordsOf(root), tail].join('\n')}\n`
}

const head = `# bash completion for drawbridge, made by: drawbridge completion bash

_drawbridge_names() {
  local at state=
  for ((at = 1; at < COMP_CWORD; at++)); do
    [[ \${COMP_WORDS[at]} == --state ]] && state=\${COMP_WORDS[at + 1]}
    [[ $state == '=' ]] && state=\${COMP_WORDS[at + 2]}
  done
  "\${COMP_WORDS[0]}" \${state:+--state "$state"} names 2>/dev/null
}

_drawbridge_offer() {
  mapfile -t COMPREPLY < <(compgen "$@" -- "$cur")
}

_drawbridge() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD - 1]} command= at
  COMPREPLY=()
  # '=' is a word of its own: --flag=value arrives as three words.
  if [[ $cur == '=' ]]; then
    cur=
  elif [[ $prev == '=' ]]; then
    prev=\${COMP_WORDS[COMP_CWORD - 2]}
  fi`

const tail = `}

complete -F _drawbridge drawbridge`

/** The command is the first word that is neither a flag of the root nor the value of one. */
function positionOf(root: Tree): readonly string[] {
  const valued = root.flags.filter(({ value }) => value !== '').flatMap(({ spellings }) => spellings)
  const skips = `      ${valued.join(' | ')}) [[ \${COMP_WORDS[++at]} == '=' ]] && ((at++)) ;;`
  return [
    `  for ((at = 1; at < COMP_CWORD; at++)); do
    case \${COMP_WORDS[at]} in`,
    ...(valued.length > 0 ? [skips] : []),
    `      -*) ;;
      *) command=\${COMP_WORDS[at]}; break ;;
    esac
  done`,
  ]
}

function valuesOf(root: Tree): readonly string[] {
  const lines = (command: string, flags: readonly Flag[]) =>
    flags
      .filter(({ value }) => value !== '')
      .map(({ spellings, offer }) => {
        const patterns = spellings.map((spelling) => `${command}:${spelling}`).join(' | ')
        return `    ${patterns}) ${[...offering(offer), 'return'].join('; ')} ;;`
      })
  return [
    '  case $command:$prev in',
    ...lines('*', root.flags),
    ...root.children.flatMap(({ name, flags }) => lines(name, flags)),
    '  esac',
  ]
}

function wordsOf(root: Tree): readonly string[] {
  const everywhere = spelled(root.flags)
  const flags = (words: string) => `_drawbridge_offer -W '${words}'`
  return [
    '  case $command:$cur in',
    `    :-*) ${flags(everywhere)} ;;`,
    `    :*) _drawbridge_offer -W '${root.children.map(({ name }) => name).join(' ')}' ;;`,
    ...root.children.flatMap((child) => [
      `    ${child.name}:-*) ${flags(`${spelled(child.flags)} ${everywhere}`.trim())} ;;`,
      `    ${child.name}:*) ${offering(child.operands).join('; ') || ':'} ;;`,
    ]),
    '  esac',
  ]
}

function spelled(flags: readonly Flag[]): string {
  return flags.flatMap(({ spellings }) => spellings).join(' ')
}

/** `compopt` works only while bash itself completes. */
function offering(offer: Offer): readonly string[] {
  switch (offer.kind) {
    case 'nothing':
    case 'any':
      return []
    case 'words':
      return [`_drawbridge_offer -W '${offer.words.join(' ')}'`]
    case 'names':
      return ['_drawbridge_offer -W "$(_drawbridge_names)"']
    case 'files':
      return ['compopt -o filenames 2>/dev/null', '_drawbridge_offer -f']
    case 'directories':
      return ['compopt -o filenames 2>/dev/null', '_drawbridge_offer -d']
  }
}
