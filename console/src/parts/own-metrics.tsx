// Charts of one task or container instance: of whatever CloudWatch has of it, for agents differ in what they report.
import Container from '@cloudscape-design/components/container'
import Header from '@cloudscape-design/components/header'
import type { ReactNode } from 'react'

import { useLoad } from '../data/load'
import { listMetrics, type Unit } from '../data/metrics'
import { Charts, type Panel } from './charts'

const NAMESPACE = 'ECS/ContainerInsights'

function unitOf(name: string): Unit {
  if (/utili[sz]ation|percent/i.test(name)) return 'percent'
  return /bytes|storage/i.test(name) ? 'bytes' : 'count'
}

/** "TaskCpuUtilization", "instance_cpu_utilization": Cpu utilization. */
function titleOf(name: string): string {
  const words = name.replace(/^(task|instance|container)_?/i, '').replaceAll('_', ' ').replace(/([a-z])([A-Z])/g, '$1 $2').toLowerCase().replace('cpu', 'CPU')
  const unit = /MemoryUtilized|MemoryReserved/.test(name) ? ' (MiB)' : /Cpu(Utilized|Reserved)/.test(name) ? ' (units)' : ''
  return words.charAt(0).toUpperCase() + words.slice(1) + unit
}

async function panelsOf(cluster: string, dimension: string, id: string): Promise<Panel[]> {
  const found = await listMetrics(NAMESPACE, { ClusterName: cluster, [dimension]: id })
  const panels = new Map<string, Panel>()
  for (const { name, dimensions } of found) {
    const panel = panels.get(name) ?? { title: titleOf(name), unit: unitOf(name), metrics: [], empty: 'Nothing in the time shown.' }
    const container = dimensions['ContainerName']
    panel.metrics.push({ namespace: NAMESPACE, name, dimensions, label: container ?? titleOf(name), stat: 'Average' })
    panels.set(name, panel)
  }
  return [...panels.values()].sort((a, b) => a.title.localeCompare(b.title))
}

interface OwnMetricsProps {
  cluster: string
  dimension: 'TaskId' | 'ContainerInstanceId'
  id: string
  /** Said when there is nothing. */
  children: ReactNode
}

export function OwnMetrics({ cluster, dimension, id, children }: OwnMetricsProps) {
  const { data, error } = useLoad(() => panelsOf(cluster, dimension, id), [cluster, dimension, id], c => c.kind === 'reset')
  if (data && data.length > 0) return <Charts panels={data} />
  return <Container header={<Header variant="h2">Metrics</Header>}>{error ? error.message : data && children}</Container>
}
