// From the names of things to what people read.

/** What follows the last slash: an id, a name, "family:revision". */
export function shortName(arn: string | undefined): string {
  return arn ? arn.slice(arn.lastIndexOf('/') + 1) : ''
}

/** The first digits of a task's or instance's id, enough to tell it from its neighbours. */
export function shortId(arn: string | undefined): string {
  return shortName(arn).slice(0, 8)
}

const units: [number, string][] = [
  [86400, 'd'],
  [3600, 'h'],
  [60, 'min'],
  [1, 's'],
]

/** "3 min", "2 h": the largest unit that fits. */
export function duration(ms: number): string {
  const seconds = Math.max(0, ms / 1000)
  for (const [size, name] of units) if (seconds >= size) return `${Math.floor(seconds / size)} ${name}`
  return seconds > 0 ? `${Math.round(ms)} ms` : '0 s'
}

export function ago(time: Date | undefined): string {
  return time ? `${duration(Date.now() - time.getTime())} ago` : '–'
}
