/** What one run of the client may touch. `main.ts` gives the real things, the tests their own. */

export interface Terminal {
  /** False once nobody reads any more, as after `| head`. */
  readonly out: (text: string) => boolean
  readonly err: (text: string) => void
  /** Columns to lay a table out in. */
  readonly width: number
  readonly colour: boolean
}

export interface World {
  readonly terminal: Terminal
  readonly env: NodeJS.ProcessEnv
  readonly stdin: AsyncIterable<Uint8Array>
  /** Milliseconds since 1970. */
  readonly now: () => number
  readonly version: string
  /** Runs both processes in the foreground and gives their exit code. */
  readonly up: (options: { state: string; controller: readonly string[] }) => Promise<number>
  /** Removes every trace from the kernel while nothing runs. */
  readonly clearKernel: (options: { state: string }) => Promise<void>
}
