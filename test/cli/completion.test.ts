import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { runIn, stateDirectory } from './lab.ts'

const scriptFor = async (shell: string) => (await runIn('/srv/nothing', ['completion', shell])).out

/** A folder with the script and a `drawbridge` that knows two names, and a third one in another state directory. */
async function folderFor(shell: string): Promise<string> {
  const folder = stateDirectory()
  writeFileSync(join(folder, 'script'), await scriptFor(shell))
  const stub = `#!/bin/sh
case "$*" in
names) printf 'web\\nwest\\ngames\\n' ;;
'--state /srv/b names') printf 'wide\\n' ;;
*) echo "unexpected: $*" >&2; echo broken ;;
esac
`
  writeFileSync(join(folder, 'drawbridge'), stub)
  chmodSync(join(folder, 'drawbridge'), 0o755)
  mkdirSync(join(folder, 'files'))
  writeFileSync(join(folder, 'files', 'gateway.yaml'), '')
  return folder
}

test('the script for bash is bash', async () => {
  const folder = await folderFor('bash')
  expect(spawnSync('bash', ['-n', join(folder, 'script')])).toMatchObject({ status: 0 })
  expect(spawnSync('bash', ['-uc', `source ${folder}/script`])).toMatchObject({ status: 0 })
})

/** What bash offers at the end of `words`, by the function that it has registered itself. */
async function offered(...words: string[]): Promise<string[]> {
  const folder = await folderFor('bash')
  const complete = `
    source "$1/script"; cd "$1/files"; PATH=$1:$PATH; shift
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
    registered=$(complete -p drawbridge) && [[ $registered =~ -F\\ ([^ ]+) ]] && "\${BASH_REMATCH[1]}"
    printf '%s\\n' "\${COMPREPLY[@]}"`
  const out = execFileSync('bash', ['-c', complete, 'bash', folder, ...words], { encoding: 'utf8' })
  return out.split('\n').filter((word) => word !== '')
}

describe('bash offers', () => {
  test.each([
    ['the commands', ['drawbridge', 'e'], ['enable', 'exposure', 'export']],
    ['a command after flags', ['drawbridge', '--state', '/srv', '-o', 'json', 'cl'], ['close']],
    ['names to close', ['drawbridge', 'close', 'we'], ['web', 'west']],
    ['more names', ['drawbridge', 'disable', 'web', 'g'], ['games']],
    ['names to show', ['drawbridge', 'show', ''], ['web', 'west', 'games']],
    ['names of another state', ['drawbridge', '--state', '/srv/b', 'enable', 'w'], ['wide']],
    ['names of another state with =', ['drawbridge', '--state', '=', '/srv/b', 'enable', 'w'], ['wide']],
    ['flags of the command', ['drawbridge', 'open', 'tcp/1', '--new'], ['--new-per-source']],
    ['flags of the root', ['drawbridge', 'list', '--s'], ['--state']],
    ['choices', ['drawbridge', 'open', '--on-change', ''], ['drain', 'cut', 'keep']],
    ['choices after =', ['drawbridge', 'list', '--output', '=', 'j'], ['json']],
    ['choices right after =', ['drawbridge', 'list', '--output', '='], ['table', 'json', 'yaml']],
    ['files', ['drawbridge', 'plan', '-f', 'g'], ['gateway.yaml']],
    ['shells', ['drawbridge', 'completion', 'z'], ['zsh']],
    ['commands to help', ['drawbridge', 'help', 'pl'], ['plan']],
    ['nothing where only the operator knows', ['drawbridge', 'open', ''], []],
    ['nothing for a value that only the operator knows', ['drawbridge', 'open', '--name', ''], []],
  ])('%s', async (_, words, expected) => {
    expect(await offered(...words)).toEqual(expected)
  })

  test('no hidden command', async () => {
    const all = await offered('drawbridge', '')
    expect(all).toContain('open')
    expect(all).not.toContain('names')
  })
})

describe.each(['zsh', 'fish'])('the script for %s', (shell) => {
  test('knows commands, flags, choices and names', async () => {
    const script = await scriptFor(shell)
    for (const word of ['close', 'new-per-source', 'drain cut keep', 'table json yaml', '--state']) {
      expect(script).toContain(word)
    }
    expect(script).toMatch(
      shell === 'zsh'
        ? /\bclose\) _arguments[^;]*_drawbridge_names'/
        : /seen_subcommand_from close' -xa '\(__drawbridge_names\)'/,
    )
    expect(script).not.toMatch(/from names|'names:/)
  })

  test(`is ${shell}`, async () => {
    const folder = await folderFor(shell)
    expect(spawnSync('bash', ['-c', `${shell} -n ${folder}/script`])).toMatchObject({ status: 0 })
  })
})

test('fish completes by it', async () => {
  const folder = await folderFor('fish')
  const ask = `fish -c 'source ${folder}/script; set -p PATH ${folder}; complete -C "drawbridge close w"'`
  const out = execFileSync('bash', ['-c', ask], { encoding: 'utf8' })
  expect(out.trim().split('\n')).toEqual(['web', 'west'])
})

test('with -o json the script is a value', async () => {
  const { out } = await runIn('/srv/nothing', ['completion', 'bash', '-o', 'json'])
  expect(JSON.parse(out)).toEqual({ shell: 'bash', script: await scriptFor('bash') })
})
