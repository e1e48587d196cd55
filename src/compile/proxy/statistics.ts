/** What HAProxy has counted, from the comma separated lines of its `show stat` (management.txt, section 9.1). Pure. */

export interface ServerCount {
  /** Since this HAProxy was started. */
  readonly connections: number
  readonly open: number
}

/** By `forward_17/s1`; the whole of a forward is `forward_17/BACKEND`. */
export function readStatistics(text: string): ReadonlyMap<string, ServerCount> {
  const [head = '', ...lines] = text.replace(/^# /, '').split('\n')
  const columns = head.split(',')
  const [group, server, total, now] = ['pxname', 'svname', 'stot', 'scur'].map((one) => columns.indexOf(one))
  return new Map(
    lines.flatMap((line) => {
      const fields = line.split(',')
      if (fields.length < 10) return []
      const count = { connections: Number(fields[total ?? -1]), open: Number(fields[now ?? -1]) }
      return [[`${fields[group ?? -1]}/${fields[server ?? -1]}`, count] as const]
    }),
  )
}
