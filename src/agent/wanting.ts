/** A message of the controller as the change that it wants: every value is checked again. */
import { parseForward } from '../model/forward.ts'
import { parseList, parseMark } from '../model/gateway.ts'
import type { Change } from '../model/register.ts'
import type { PutMessage } from './protocol.ts'

export function readChange(message: PutMessage): Change {
  return {
    put: message.forwards.map(({ forward }) => parseForward(forward)),
    remove: message.removed,
    putLists: message.lists.map(({ name, entries }) => parseList(name, entries)),
    removeLists: message.removedLists,
    settings: { privileged: true, mark: parseMark('mark', message.mark), locked: message.locked },
  }
}
