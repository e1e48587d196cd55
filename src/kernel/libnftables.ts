/** nft's own library in this process: turns the text of the skeleton into one transaction. libnftables(3). */
import koffi from 'koffi'

const library = koffi.load('libnftables.so.1')
const ctxNew = library.func('void *nft_ctx_new(uint32_t flags)')
const bufferOutput = library.func('int nft_ctx_buffer_output(void *ctx)')
const bufferError = library.func('int nft_ctx_buffer_error(void *ctx)')
const run = library.func('int nft_run_cmd_from_buffer(void *ctx, const char *text)')
const takeError = library.func('const char *nft_ctx_get_error_buffer(void *ctx)')
const takeOutput = library.func('const char *nft_ctx_get_output_buffer(void *ctx)')

export interface Nft {
  /** Runs `text` as one transaction. Throws nft's words when it or the kernel refuses; then nothing has changed. */
  run(text: string): void
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
  }
}
