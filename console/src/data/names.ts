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

/** A value with its unit, as short as a scale needs it: "12.5 %", "1.2 k", "35 ms". */
export function amountOf(value: number, unit: 'percent' | 'count' | 'seconds' | 'bytes'): string {
  const short = (n: number) => String(Number(n.toPrecision(3)))
  if (unit === 'percent') return `${short(value)} %`
  if (unit === 'seconds') return value > 0 && value < 1 ? `${short(value * 1000)} ms` : `${short(value)} s`
  const after = unit === 'bytes' ? 'B' : ''
  if (value >= 1e9) return `${short(value / 1e9)} G${after}`
  if (value >= 1e6) return `${short(value / 1e6)} M${after}`
  return value >= 10_000 ? `${short(value / 1000)} k${after}` : `${short(value)} ${after}`.trim()
}
