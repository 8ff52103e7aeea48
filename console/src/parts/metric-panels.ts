// Which metrics the pages show of what. Where they come from: docs/metrics.md.
import type { LoadBalancer, TargetGroup } from '@aws-sdk/client-elastic-load-balancing-v2'

import { metricName } from '../data/balancers'
import type { Metric } from '../data/metrics'
import type { Panel } from './charts'

const ECS = 'AWS/ECS'
const INSIGHTS = 'ECS/ContainerInsights'

export function clusterPanels(cluster: string): Panel[] {
  const of = (namespace: string, name: string, label: string): Metric => ({ namespace, name, label, dimensions: { ClusterName: cluster }, stat: 'Average' })
  return [
    {
      title: 'CPU and memory in use',
      unit: 'percent',
      empty: 'No task of a service reports what it uses yet.',
      metrics: [of(ECS, 'CPUUtilization', 'CPU'), of(ECS, 'MemoryUtilization', 'Memory')],
    },
    {
      title: 'CPU and memory reserved',
      unit: 'percent',
      empty: 'No container instance yet: start gantry agent on a machine.',
      metrics: [of(ECS, 'CPUReservation', 'CPU'), of(ECS, 'MemoryReservation', 'Memory')],
    },
    {
      title: 'Tasks',
      unit: 'count',
      empty: 'Counted every few seconds: the first point comes soon.',
      metrics: [of(INSIGHTS, 'TaskCount', 'Running tasks')],
    },
    {
      title: 'Services and container instances',
      unit: 'count',
      empty: 'Counted every few seconds: the first point comes soon.',
      metrics: [of(INSIGHTS, 'ServiceCount', 'Services'), of(INSIGHTS, 'ContainerInstanceCount', 'Container instances')],
    },
  ]
}

export function servicePanels(cluster: string, service: string): Panel[] {
  const of = (namespace: string, name: string, label: string, stat: Metric['stat'] = 'Average'): Metric => ({
    namespace, name, label, dimensions: { ClusterName: cluster, ServiceName: service }, stat,
  })
  const empty = 'Tasks report what they use as long as they run: there is something to see when one has run for a while.'
  return [
    { title: 'CPU utilization', unit: 'percent', empty: `${empty} It is told in percent of the CPU units that the task definition reserves: without them there is none.`, metrics: [of(ECS, 'CPUUtilization', 'Average'), of(ECS, 'CPUUtilization', 'Busiest task', 'Maximum')] },
    { title: 'Memory utilization', unit: 'percent', empty, metrics: [of(ECS, 'MemoryUtilization', 'Average'), of(ECS, 'MemoryUtilization', 'Largest task', 'Maximum')] },
    {
      title: 'Tasks',
      unit: 'count',
      empty: 'Counted every few seconds: the first point comes soon.',
      // What is drawn last is seen where lines meet.
      metrics: [of(INSIGHTS, 'DesiredTaskCount', 'Desired'), of(INSIGHTS, 'PendingTaskCount', 'Pending'), of(INSIGHTS, 'RunningTaskCount', 'Running')],
    },
  ]
}

export function balancerPanels(balancer: LoadBalancer, groups: TargetGroup[]): Panel[] {
  const application = balancer.Type !== 'network'
  const namespace = application ? 'AWS/ApplicationELB' : 'AWS/NetworkELB'
  const LoadBalancer = metricName(balancer.LoadBalancerArn)
  const of = (name: string, label: string, stat: Metric['stat']): Metric => ({ namespace, name, label, dimensions: { LoadBalancer }, stat, rate: stat === 'Sum' })
  const each = (name: string, words: string): Metric[] =>
    groups.map(group => ({
      namespace, name, label: `${group.TargetGroupName}: ${words}`, dimensions: { LoadBalancer, TargetGroup: metricName(group.TargetGroupArn) }, stat: 'Average',
    }))
  const empty = 'Nothing has come through this balancer in the time shown.'
  const traffic: Panel[] = application
    ? [
        {
          title: 'Requests a second',
          unit: 'rate',
          empty,
          metrics: [
            of('RequestCount', 'Requests', 'Sum'), of('HTTPCode_Target_4XX_Count', '4xx of targets', 'Sum'), of('HTTPCode_Target_5XX_Count', '5xx of targets', 'Sum'),
            of('HTTPCode_ELB_5XX_Count', '5xx of the balancer', 'Sum'),
          ],
        },
        { title: 'Response time of the targets', unit: 'seconds', empty, metrics: [of('TargetResponseTime', 'Average', 'Average'), of('TargetResponseTime', 'p99: 99 of 100 are faster', 'p99')] },
      ]
    : [
        { title: 'New connections a second', unit: 'rate', empty, metrics: [of('NewFlowCount', 'New', 'Sum')] },
        { title: 'Open connections', unit: 'count', empty, metrics: [of('ActiveFlowCount', 'Open', 'Average')] },
        { title: 'Traffic', unit: 'bytes a second', empty, metrics: [of('ProcessedBytes', 'Both ways', 'Sum')] },
      ]
  return [
    ...traffic,
    {
      title: 'Targets',
      unit: 'count',
      empty: 'No target group sends what it knows of its targets yet.',
      metrics: [...each('HealthyHostCount', 'healthy'), ...each('UnHealthyHostCount', 'unhealthy')],
    },
  ]
}
