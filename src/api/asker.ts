/** Who asks, as the client says it: the person behind sudo, and the SSH session that the command was typed in. */
import { readFileSync } from 'node:fs'
import { userInfo } from 'node:os'

/** Headers for the history and for the question whether a change cuts its author off. What is not known is left out. */
export function whoAsks(): Readonly<Record<string, string>> {
  const user = process.env.SUDO_USER || ownName()
  const uid = process.env.SUDO_UID || String(process.getuid?.() ?? '')
  const session = sessionOf(process.env, process.ppid)
  return {
    ...(/^\d{1,10}$/.test(uid) ? { 'x-drawbridge-uid': uid } : {}),
    ...(/^[A-Za-z0-9._-]{1,64}$/.test(user) ? { 'x-drawbridge-user': user } : {}),
    ...(session === undefined ? {} : { 'x-drawbridge-from': session }),
  }
}

/** Not every uid has a name, in a container for example. */
function ownName(): string {
  try {
    return userInfo().username
  } catch {
    return ''
  }
}

/** Deeper than any chain of shells, sudo and terminal multiplexers. */
const mostParents = 30
/** `client-address client-port server-address server-port`, as sshd writes it (ssh(1), ENVIRONMENT). */
const connection = /^[0-9a-fA-F.:%]+ \d{1,5} [0-9a-fA-F.:%]+ \d{1,5}$/

/** sudo takes SSH_CONNECTION away, so the parents are asked for it too. Undefined at a console, or where it is unreadable. */
function sessionOf(own: NodeJS.ProcessEnv, parent: number): string | undefined {
  let found = own.SSH_CONNECTION
  let pid = parent
  for (let depth = 0; found === undefined && pid > 1 && depth < mostParents; depth += 1) {
    found = read(`/proc/${pid}/environ`)
      .split('\0')
      .find((line) => line.startsWith('SSH_CONNECTION='))
      ?.slice('SSH_CONNECTION='.length)
    // After the name, which may hold anything, comes the state and then the parent (proc(5)).
    pid = Number(/.*\) \S (\d+)/s.exec(read(`/proc/${pid}/stat`))?.[1] ?? 0)
  }
  return found !== undefined && connection.test(found) ? found : undefined
}

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}
