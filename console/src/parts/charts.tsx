// Several charts over the same time, live, with the choice of how long that is.
import Box from '@cloudscape-design/components/box'
import Container from '@cloudscape-design/components/container'
import Grid from '@cloudscape-design/components/grid'
import Header from '@cloudscape-design/components/header'
import SegmentedControl from '@cloudscape-design/components/segmented-control'
import SpaceBetween from '@cloudscape-design/components/space-between'
import { lazy, Suspense, useSyncExternalStore } from 'react'

import { type Metric, type Span, spans, useMetrics } from '../data/metrics'
import type { Unit } from '../data/names'
import { Loading } from './loading'

const Chart = lazy(() => import('./chart'))

export interface Panel {
  title: string
  unit: Unit
  metrics: Metric[]
  /** A line across the chart. */
  threshold?: number
  /** What to do so that there is something to see. */
  empty: string
}

const KEY = 'gantry-chart-span'
const listeners = new Set<() => void>()

/** The time that all charts show, kept for the next visit. */
function useSpan(): [Span, (id: string) => void] {
  const id = useSyncExternalStore(
    listener => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    () => localStorage.getItem(KEY) ?? '1h',
  )
  const choose = (wanted: string) => {
    localStorage.setItem(KEY, wanted)
    listeners.forEach(listener => listener())
  }
  return [spans.find(one => one.id === id) ?? spans[1]!, choose]
}

function PanelChart({ panel, span }: { panel: Panel; span: Span }) {
  const series = useMetrics(panel.metrics, span)
  return (
    <div>
      <Box variant="h3" margin={{ bottom: 'xs' }}>{panel.title}</Box>
      {series.lines?.length === 0 && !series.error ? (
        <Box color="text-status-inactive" padding={{ vertical: 's' }}>{panel.empty}</Box>
      ) : (
        <Suspense fallback={<Loading />}>
          <Chart title={panel.title} unit={panel.unit} series={series} threshold={panel.threshold} />
        </Suspense>
      )}
    </div>
  )
}

export function Charts({ title = 'Metrics', panels }: { title?: string; panels: Panel[] }) {
  const [span, choose] = useSpan()
  return (
    <Container
      header={
        <Header
          variant="h2"
          description="From CloudWatch; the charts move on by themselves."
          actions={
            <SegmentedControl
              label="Time shown"
              selectedId={span.id}
              onChange={event => choose(event.detail.selectedId)}
              options={spans.map(one => ({ id: one.id, text: one.text }))}
            />
          }
        >
          {title}
        </Header>
      }
    >
      <SpaceBetween size="l">
        <Grid gridDefinition={panels.map(() => ({ colspan: { default: 12, s: panels.length > 1 ? 6 : 12 } }))}>
          {panels.map(panel => (
            <PanelChart key={panel.title} panel={panel} span={span} />
          ))}
        </Grid>
      </SpaceBetween>
    </Container>
  )
}
