/** nft's own library in this process: turns the text of the skeleton into one transaction. libnftables(3). */
import koffi from 'koffi'

const library = koffi.load('libnftables.so.1')
const ctxNew = library.func('void *nft_ctx_new(uint32_t flags)')
const bufferOutput = library.func('int nft_ctx_buffer_output(void *ctx)')
const bufferError = library.func('int nft_ctx_buffer_error(void *ctx)')
const run = library.func('int nft_run_cmd_from_buffer(void *ctx, const char *text)')
const takeError = library.func('const char *nft_ctx_get_error_buffer(void *ctx)')
const free = library.func('void nft_ctx_free(void *ctx)')
const takeOutput = library.func('const char *nft_ctx_get_output_buffer(void *ctx)')

export interface Nft {
  /** Runs `text` as one transaction. Throws nft's words when it or the kernel refuses; then nothing has changed. */
  run(text: string): void
  /** Gives the socket back; with it go the tables that it owns. */
  close(): void
}

export function openNft(): Nft {
  const ctx = ctxNew(0)
  bufferOutput(ctx)
  bufferError(ctx)
  return {
    run(text) {
      const failed: number = run(ctx, text)
      const words: string = takeError(ctx)
      takeOutput(ctx)
      if (failed !== 0) throw new Error(words.trim().split('\n').slice(0, 3).join('; '))
    },
    close: () => void free(ctx),
  }
}

/**
 * Tables with `flags owner` belong to the socket that made them. libnftables opens another socket when somebody commits
 * while it reads (nft_mnl_socket_reopen, in some versions), so whoever owns something runs nothing else.
 */
export function openOwner(): { own(text: string): void; letGo(): void } {
  let owner: Nft | undefined
  const letGo = () => {
    owner?.close()
    owner = undefined
  }
  return {
    own(text) {
      letGo()
      const fresh = openNft()
      try {
        fresh.run(text)
      } catch (error) {
        fresh.close()
        throw error
      }
      owner = fresh
    },
    letGo,
  }
}
