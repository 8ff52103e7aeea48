// Charts of one task or container instance: of whatever CloudWatch has of it, for agents differ in what they report.
import Container from '@cloudscape-design/components/container'
import Header from '@cloudscape-design/components/header'
import type { ReactNode } from 'react'

import { useLoad } from '../data/load'
import { listMetrics } from '../data/metrics'
import type { Unit } from '../data/names'
import { Charts, type Panel } from './charts'

const NAMESPACE = 'ECS/ContainerInsights'

interface Known {
  title: string
  unit: Unit
  /** The line's word; absent: "Task", or what the page is about. */
  label?: string
}

const cpu = { title: 'CPU units in use', unit: 'CPU units' } as const
const memory = { title: 'Memory in use', unit: 'MiB' } as const
// In the order of the charts; metrics of the same title share one.
const known: Record<string, Known> = {
  TaskCpuUtilization: { title: 'CPU utilization', unit: 'percent' },
  instance_cpu_utilization: { title: 'CPU utilization', unit: 'percent' },
  TaskMemoryUtilization: { title: 'Memory utilization', unit: 'percent' },
  instance_memory_utilization: { title: 'Memory utilization', unit: 'percent' },
  CpuUtilized: cpu,
  CpuReserved: { ...cpu, label: 'Reserved' },
  MemoryUtilized: memory,
  MemoryReserved: { ...memory, label: 'Reserved' },
  instance_filesystem_utilization: { title: 'Disk utilization', unit: 'percent' },
  instance_network_total_bytes: { title: 'Network', unit: 'bytes a second' },
  NetworkRxBytes: { title: 'Network, received', unit: 'bytes a second' },
  NetworkTxBytes: { title: 'Network, sent', unit: 'bytes a second' },
  StorageReadBytes: { title: 'Disk, read since the point before', unit: 'bytes' },
  StorageWriteBytes: { title: 'Disk, written since the point before', unit: 'bytes' },
  instance_number_of_running_tasks: { title: 'Running tasks', unit: 'count' },
  RestartCount: { title: 'Restarts of containers', unit: 'count' },
}
const order = Object.keys(known)

/** What another agent reports: "instance_cpu_limit": Cpu limit. */
function guess(name: string): Known {
  const words = name.replace(/^(task|instance|container)_?/i, '').replaceAll('_', ' ').replace(/([a-z])([A-Z])/g, '$1 $2').toLowerCase()
  const unit = /utili[sz]ation|percent/i.test(name) ? 'percent' : /bytes/i.test(name) ? 'bytes' : 'count'
  return { title: words.charAt(0).toUpperCase() + words.slice(1), unit }
}

async function panelsOf(cluster: string, dimension: OwnMetricsProps['dimension'], id: string): Promise<Panel[]> {
  const found = await listMetrics(NAMESPACE, { ClusterName: cluster, [dimension]: id })
  const place = (name: string) => (order.indexOf(name) + order.length + 1) % (order.length + 1) // what is not known comes last
  found.sort((a, b) => place(a.name) - place(b.name))
  const whole = dimension === 'TaskId' ? 'Task' : 'Container instance'
  const panels = new Map<string, Panel>()
  for (const { name, dimensions } of found) {
    const { title, unit, label } = known[name] ?? guess(name)
    const container = dimensions['ContainerName']
    if (container && label) continue // what each container reserves is in the task definition
    const panel = panels.get(title) ?? { title, unit, metrics: [], empty: 'Nothing in the time shown.' }
    panel.metrics.push({ namespace: NAMESPACE, name, dimensions, label: container ?? label ?? whole, stat: 'Average' })
    panels.set(title, panel)
  }
  return [...panels.values()]
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
