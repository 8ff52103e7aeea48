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

export type Unit = 'percent' | 'count' | 'rate' | 'seconds' | 'bytes' | 'bytes a second' | 'MiB' | 'CPU units'

const prefixes: [number, string][] = [
  [1e9, 'G'],
  [1e6, 'M'],
  [1e3, 'k'],
]

function short(n: number): string {
  return String(Number(n.toPrecision(3)))
}

/** A value with its unit, as short as a scale needs it: "12.5 %", "12 k", "35 ms", "1.5 kB/s". */
export function amountOf(value: number, unit: Unit): string {
  if (unit === 'percent') return `${short(value)} %`
  if (unit === 'seconds') return value > 0 && value < 1 ? `${short(value * 1000)} ms` : `${short(value)} s`
  if (unit === 'MiB') return value >= 1024 ? `${short(value / 1024)} GiB` : `${short(value)} MiB`
  if (unit === 'rate') return `${short(value)}/s`
  const after = unit === 'bytes' ? 'B' : unit === 'bytes a second' ? 'B/s' : ''
  const [size, prefix] = prefixes.find(([least]) => value >= (after ? least : Math.max(least, 10_000))) ?? [1, '']
  return `${short(value / size)} ${prefix}${after}`.trim()
}

/** CPU units as what they are a part of: "0.25 vCPU". */
export function vcpus(units: number): string {
  return `${short(units / 1024)} vCPU`
}
