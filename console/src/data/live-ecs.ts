// Lists of the ECS API that are kept true.
import type { Service, Task } from '@aws-sdk/client-ecs'

import { describeServices, describeTasks, listServices, listTasks, newestFirst, type TaskFilter } from './ecs'
import { type LiveList, useLiveList } from './live-list'
import { shortName } from './names'

/** What follows "CLUSTER/" in a key of that cluster. */
function inCluster(cluster: string, key: string): string | undefined {
  return key.startsWith(`${cluster}/`) ? key.slice(cluster.length + 1) : undefined
}

function matches(filter: TaskFilter, task: Task): boolean {
  if (filter.serviceName && task.group !== `service:${filter.serviceName}`) return false
  if (filter.containerInstance && task.containerInstanceArn !== filter.containerInstance) return false
  return !filter.family || shortName(task.taskDefinitionArn).split(':')[0] === filter.family
}

/** Which tasks a list shows: by desired status, or all that are not over yet (also those that are stopping). */
export type Which = 'RUNNING' | 'STOPPED' | 'ALL' | 'LIVE'

function isShown(which: Which, task: Task): boolean {
  if (which === 'ALL') return true
  if (which === 'LIVE') return task.lastStatus !== 'STOPPED'
  return task.desiredStatus === which
}

/** The newest first. */
export function useTasks(filter: TaskFilter, which: Which): LiveList<Task> {
  return useLiveList<Task>(
    {
      load: some => listTasks(filter, which === 'ALL' ? ['RUNNING', 'STOPPED'] : [which === 'LIVE' ? 'RUNNING' : which], some),
      refresh: keys => describeTasks(filter.cluster, keys),
      keyOf: task => shortName(task.taskArn),
      concerns: change => (change.kind === 'task' ? inCluster(filter.cluster, change.key) : undefined),
      belongs: task => matches(filter, task) && isShown(which, task),
      compare: newestFirst,
    },
    [filter.cluster, filter.serviceName, filter.containerInstance, filter.family, which],
  )
}

/** By name. Counts of tasks change with every task: a service is asked for again when one of its own did. */
export function useServices(cluster: string): LiveList<Service> {
  return useLiveList<Service>(
    {
      load: some => listServices(cluster, some),
      refresh: keys => describeServices(cluster, keys),
      keyOf: service => service.serviceName ?? '',
      concerns: change => {
        if (change.kind === 'task' && change.service && inCluster(cluster, change.key)) return change.service
        if (!change.kind.startsWith('service') || change.kind === 'service-event') return undefined
        return inCluster(cluster, change.key)?.split('/')[0]
      },
      belongs: service => service.status !== 'INACTIVE',
      compare: (a, b) => (a.serviceName ?? '').localeCompare(b.serviceName ?? ''),
    },
    [cluster],
  )
}
