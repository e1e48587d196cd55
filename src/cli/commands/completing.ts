/** completion: the script that teaches a shell. */

import type { Call, Spec } from '../command.ts'
import { bashScript } from '../completion/bash.ts'
import { fishScript } from '../completion/fish.ts'
import { shells, type Tree, treeOf } from '../completion/tree.ts'
import { zshScript } from '../completion/zsh.ts'
import { done } from '../exit.ts'
import { answer } from '../output.ts'
import { unknownShell } from '../problems.ts'

export const completingCommands: readonly Spec[] = [
  {
    spelled: 'completion <SHELL>',
    summary: `Print the completion for ${shells.join(', ')}`,
    examples: [
      'source <(drawbridge completion bash)',
      'drawbridge completion zsh > /usr/local/share/zsh/site-functions/_drawbridge',
      'drawbridge completion fish > ~/.config/fish/completions/drawbridge.fish',
    ],
    act: completion,
  },
]

const scripts: Readonly<Record<string, (root: Tree) => string>> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
}

async function completion({ world, operands, root, format }: Call): Promise<number> {
  const [shell = ''] = operands
  const script = shells.some((one) => one === shell) ? scripts[shell] : undefined
  if (!script) throw unknownShell(shell, shells)
  const text = script(treeOf(root))
  await answer(world.terminal, format, { shell, script: text }, () => [text.trimEnd()])
  return done
}
