// Metrics over time, asked for again and again so that charts move on by themselves.
import { GetMetricDataCommand, ListMetricsCommand, type Dimension } from '@aws-sdk/client-cloudwatch'
import { useEffect, useRef, useState } from 'react'

import { cloudwatch } from '../aws'

/** One line of a chart. */
export interface Metric {
  label: string
  namespace: string
  name: string
  dimensions: Record<string, string>
  /** Average, Maximum, Minimum, Sum, p99… */
  stat: string
  /** Of a sum that is counted all the time: told as so many a second, whatever a point stands for. */
  rate?: boolean
}

export interface Line {
  label: string
  points: { x: Date; y: number }[]
}

export interface Series {
  lines: Line[] | undefined
  error: Error | undefined
  /** What the chart shows: from, to. */
  span: [Date, Date]
}

export interface Span {
  id: string
  text: string
  /** Seconds that are shown, that a point stands for, and between two questions. */
  seconds: number
  period: number
  every: number
}

export const spans: Span[] = [
  { id: '5m', text: '5 min', seconds: 300, period: 1, every: 1 },
  { id: '1h', text: '1 h', seconds: 3600, period: 10, every: 5 },
  { id: '3h', text: '3 h', seconds: 10_800, period: 60, every: 15 },
  { id: '1d', text: '1 d', seconds: 86_400, period: 300, every: 60 },
  { id: '1w', text: '1 w', seconds: 604_800, period: 3600, every: 60 },
]

function dimensionsOf(pairs: Record<string, string>): Dimension[] {
  return Object.entries(pairs).map(([Name, Value]) => ({ Name, Value }))
}

/** Points since `from`, a list for each metric, in the order of time. */
async function read(metrics: Metric[], from: Date, to: Date, period: number): Promise<Line['points'][]> {
  const found = metrics.map(() => [] as Line['points'])
  let NextToken: string | undefined
  do {
    const answer = await cloudwatch().send(
      new GetMetricDataCommand({
        StartTime: from,
        EndTime: to,
        ScanBy: 'TimestampAscending',
        NextToken,
        MetricDataQueries: metrics.map((metric, i) => ({
          Id: `m${i}`,
          MetricStat: {
            Metric: { Namespace: metric.namespace, MetricName: metric.name, Dimensions: dimensionsOf(metric.dimensions) },
            Period: period,
            Stat: metric.stat,
          },
        })),
      }))
    for (const result of answer.MetricDataResults ?? []) {
      const i = Number(result.Id!.slice(1))
      const share = metrics[i]!.rate ? period : 1
      found[i]!.push(...(result.Timestamps ?? []).map((x, n) => ({ x, y: result.Values![n]! / share })))
    }
    NextToken = answer.NextToken
  } while (NextToken)
  return found
}

/** Adds what is new; points that were still being counted when they came first are replaced. */
function join(old: Line['points'], fresh: Line['points'], from: Date): Line['points'] {
  const first = fresh[0]?.x.getTime() ?? Infinity
  return [...old.filter(point => point.x >= from && point.x.getTime() < first), ...fresh]
}

/** Lines without a point are left out: what nothing measures would only fill the legend. */
export function useMetrics(metrics: Metric[], span: Span): Series {
  const key = JSON.stringify([metrics, span.id])
  const begin = () => {
    const now = Date.now()
    return [new Date(now - span.seconds * 1000), new Date(now)] as [Date, Date]
  }
  const [series, setSeries] = useState<Series>(() => ({ lines: undefined, error: undefined, span: begin() }))
  const current = useRef(metrics)
  current.current = metrics

  useEffect(() => {
    let stopped = false
    let timer: ReturnType<typeof setTimeout>
    let points: Line['points'][] | undefined
    setSeries({ lines: undefined, error: undefined, span: begin() })
    const turn = async () => {
      const shown = begin()
      const wanted = current.current
      // The server keeps counting into points of the last minute; older ones stay as they are.
      const from = points ? new Date(Math.max(shown[0].getTime(), shown[1].getTime() - 60_000 - 2000 * span.period)) : shown[0]
      try {
        const fresh = wanted.length > 0 && !document.hidden ? await read(wanted, from, shown[1], span.period) : undefined
        if (stopped) return
        if (fresh) points = fresh.map((some, i) => join(points?.[i] ?? [], some, shown[0]))
        const lines = wanted.map((metric, i) => ({ label: metric.label, points: points?.[i] ?? [] })).filter(line => line.points.length > 0)
        if (points || wanted.length === 0) setSeries({ lines, error: undefined, span: shown })
      } catch (e) {
        if (!stopped) setSeries(old => ({ ...old, error: e as Error, span: shown }))
      }
      if (!stopped) timer = setTimeout(() => void turn(), span.every * 1000)
    }
    void turn()
    return () => {
      stopped = true
      clearTimeout(timer)
    }
  }, [key]) // eslint-disable-line react-hooks/exhaustive-deps

  return series
}

/** Names of the metrics that exist with (at least) these dimensions, each with all of its dimensions. */
export async function listMetrics(namespace: string, dimensions: Record<string, string>) {
  const answer = await cloudwatch().send(new ListMetricsCommand({ Namespace: namespace, Dimensions: dimensionsOf(dimensions) }))
  return (answer.Metrics ?? []).map(metric => ({
    name: metric.MetricName ?? '',
    dimensions: Object.fromEntries((metric.Dimensions ?? []).map(d => [d.Name ?? '', d.Value ?? ''])),
  }))
}
