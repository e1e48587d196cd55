/** The commands as every shell's completion needs them: one walk over commander's tree, which stays the only list. */
import type { Command, Option } from 'commander'

/** What may stand in a place. `words` are taken as they are; `names` are asked of the running Drawbridge. */
export type Offer =
  | { readonly kind: 'nothing' | 'any' | 'files' | 'directories' | 'names' }
  | { readonly kind: 'words'; readonly words: readonly string[] }

export interface Flag {
  /** As typed: `-o` and `--output`. */
  readonly spellings: readonly string[]
  readonly summary: string
  /** The word in capitals that stands for the value, empty where there is none. */
  readonly value: string
  readonly offer: Offer
}

export interface Branch {
  readonly name: string
  readonly summary: string
  readonly flags: readonly Flag[]
  readonly operands: Offer
}

export interface Tree {
  readonly flags: readonly Flag[]
  readonly children: readonly Branch[]
}

export const shells = ['bash', 'zsh', 'fish'] as const

/** What a word in capitals stands for, wherever a command or a flag uses it. */
function offerOf(word: string, commands: readonly string[]): Offer {
  switch (word) {
    case '':
      return { kind: 'nothing' }
    case 'NAME':
      return { kind: 'names' }
    case 'FILE':
      return { kind: 'files' }
    case 'DIR':
      return { kind: 'directories' }
    case 'SHELL':
      return { kind: 'words', words: shells }
    case 'command':
      return { kind: 'words', words: commands }
    default:
      return { kind: 'any' }
  }
}

/** Flags of the root hold everywhere, so they are said once, there. */
export function treeOf(root: Command): Tree {
  const help = root.createHelp()
  const flags = help.visibleOptions(root).map(flagOf)
  const known = new Set(flags.flatMap(({ spellings }) => spellings))
  const children = help.visibleCommands(root)
  const names = children.map((child) => child.name())
  const isOwn = ({ spellings }: Flag) => !spellings.some((one) => known.has(one))
  return {
    flags,
    children: children.map((child) => ({
      name: child.name(),
      summary: child.description(),
      flags: help.visibleOptions(child).map(flagOf).filter(isOwn),
      operands: offerOf(child.registeredArguments[0]?.name() ?? '', names),
    })),
  }
}

function flagOf(option: Option): Flag {
  const value = /<([^>.]+)/.exec(option.flags)?.[1] ?? ''
  return {
    spellings: [option.short, option.long].filter((one) => one !== undefined),
    summary: option.description,
    value,
    offer: option.argChoices ? { kind: 'words', words: option.argChoices } : offerOf(value, []),
  }
}
