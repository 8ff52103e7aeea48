// A chart of lines over time. In a piece of its own: only pages that show charts load the design system's.
import LineChart from '@cloudscape-design/components/line-chart'

import type { Series } from '../data/metrics'
import { amountOf, type Unit } from '../data/names'

const words = {
  filterLabel: 'Filter lines',
  filterPlaceholder: 'Filter lines',
  filterSelectedAriaLabel: 'selected',
  legendAriaLabel: 'Legend',
  detailPopoverDismissAriaLabel: 'Close',
  chartAriaRoleDescription: 'line chart',
  xAxisAriaRoleDescription: 'time axis',
  yAxisAriaRoleDescription: 'axis of values',
}

/** The top of the scale: 100 % when nothing is over it, else a little air above the largest value. */
function top(series: Series, unit: Unit, threshold = 0): number {
  const most = Math.max(threshold, 0, ...(series.lines ?? []).flatMap(line => line.points.map(point => point.y)))
  if (unit === 'percent') return Math.max(100, Math.ceil(most / 50) * 50)
  if (most > 0) return most * 1.15
  return unit.startsWith('bytes') ? 1000 : 1
}

function summary(title: string, series: Series, unit: Unit): string {
  const now = (series.lines ?? []).map(line => `${line.label} ${amountOf(line.points.at(-1)!.y, unit)}`)
  return now.length > 0 ? `${title}, newest values: ${now.join(', ')}.` : `${title}: no data.`
}

interface ChartProps {
  title: string
  unit: Unit
  series: Series
  threshold?: number
}

export default function Chart({ title, unit, series, threshold }: ChartProps) {
  const days = series.span[1].getTime() - series.span[0].getTime() > 86_400_000
  return (
    <LineChart
      series={[
        ...(series.lines ?? []).map(line => ({
          title: line.label, type: 'line' as const, data: line.points, valueFormatter: (value: number) => amountOf(value, unit),
        })),
        ...(threshold === undefined ? [] : [{ title: 'Threshold', type: 'threshold' as const, y: threshold }]),
      ]}
      xScaleType="time"
      xDomain={series.span}
      yDomain={[0, top(series, unit, threshold)]}
      xTickFormatter={time => (days ? time.toLocaleDateString() : time.toLocaleTimeString())}
      yTickFormatter={value => (unit === 'count' && top(series, unit) < 10 && !Number.isInteger(value) ? '' : amountOf(value, unit))}
      ariaLabel={title}
      ariaDescription={summary(title, series, unit)}
      i18nStrings={words}
      height={180}
      hideFilter
      statusType={series.error ? 'error' : series.lines ? 'finished' : 'loading'}
      loadingText="Loading"
      errorText={series.error?.message}
    />
  )
}
