// What pages ask of the ECS API.
import {
  DescribeClustersCommand,
  DescribeContainerInstancesCommand,
  DescribeServicesCommand,
  DescribeTaskDefinitionCommand,
  DescribeTasksCommand,
  ListClustersCommand,
  ListContainerInstancesCommand,
  ListServicesCommand,
  ListTaskDefinitionFamiliesCommand,
  ListTaskDefinitionsCommand,
  ListTasksCommand,
  type Cluster,
  type ContainerInstance,
  type Service,
  type Tag,
  type Task,
  type TaskDefinition,
} from '@aws-sdk/client-ecs'

import { ecs } from '../aws'
import { all, inSlices } from './load'

export async function listClusters(): Promise<Cluster[]> {
  const arns = await all(async nextToken => {
    const answer = await ecs().send(new ListClustersCommand({ nextToken, maxResults: 100 }))
    return [answer.clusterArns, answer.nextToken]
  })
  return inSlices(arns, 100, async clusters =>
    (await ecs().send(new DescribeClustersCommand({ clusters, include: ['STATISTICS', 'TAGS', 'SETTINGS'] }))).clusters ?? [])
}

export async function getCluster(name: string): Promise<Cluster> {
  const answer = await ecs().send(
    new DescribeClustersCommand({ clusters: [name], include: ['STATISTICS', 'TAGS', 'SETTINGS', 'CONFIGURATIONS'] }))
  const cluster = answer.clusters?.[0]
  if (!cluster) throw new Error(`There is no cluster ${name}.`)
  return cluster
}

export async function listServices(cluster: string, some?: (services: Service[]) => void): Promise<Service[]> {
  let first: Promise<unknown> | undefined
  const arns = await all(async nextToken => {
    const answer = await ecs().send(new ListServicesCommand({ cluster, nextToken, maxResults: 100 }))
    if (some && answer.nextToken) first ??= describeServices(cluster, answer.serviceArns ?? []).then(some)
    return [answer.serviceArns, answer.nextToken]
  })
  await first
  return describeServices(cluster, arns)
}

export async function describeServices(cluster: string, services: string[]): Promise<Service[]> {
  return inSlices(services, 10, async some => (await ecs().send(new DescribeServicesCommand({ cluster, services: some }))).services ?? [])
}

export async function getService(cluster: string, service: string): Promise<Service> {
  const answer = await ecs().send(new DescribeServicesCommand({ cluster, services: [service], include: ['TAGS'] }))
  const found = answer.services?.[0]
  if (!found) throw new Error(`There is no service ${service} in cluster ${cluster}.`)
  return found
}

export interface TaskFilter {
  cluster: string
  serviceName?: string
  containerInstance?: string
  family?: string
}

/** Tasks that run or should, and those that stopped lately. */
export async function listTasks(
  filter: TaskFilter, statuses: ('RUNNING' | 'STOPPED')[] = ['RUNNING', 'STOPPED'], some?: (tasks: Task[]) => void): Promise<Task[]> {
  let first: Promise<unknown> | undefined
  const arns = await Promise.all(
    statuses.map(desiredStatus =>
      all(async nextToken => {
        const answer = await ecs().send(new ListTasksCommand({ ...filter, desiredStatus, nextToken, maxResults: 100 }))
        if (some && answer.nextToken) first ??= describeTasks(filter.cluster, answer.taskArns ?? []).then(some)
        return [answer.taskArns, answer.nextToken]
      })))
  await first
  return describeTasks(filter.cluster, arns.flat())
}

export async function describeTasks(cluster: string, tasks: string[]): Promise<Task[]> {
  return inSlices(tasks, 100, async some => (await ecs().send(new DescribeTasksCommand({ cluster, tasks: some }))).tasks ?? [])
}

export function newestFirst(a: Task, b: Task): number {
  return (b.createdAt?.getTime() ?? 0) - (a.createdAt?.getTime() ?? 0)
}

export async function getTask(cluster: string, id: string): Promise<Task> {
  const answer = await ecs().send(new DescribeTasksCommand({ cluster, tasks: [id], include: ['TAGS'] }))
  const task = answer.tasks?.[0]
  if (!task) throw new Error(`There is no task ${id} in cluster ${cluster}: stopped tasks are kept for a day.`)
  return task
}

export async function listInstances(cluster: string): Promise<ContainerInstance[]> {
  const arns = await all(async nextToken => {
    const answer = await ecs().send(new ListContainerInstancesCommand({ cluster, nextToken, maxResults: 100 }))
    return [answer.containerInstanceArns, answer.nextToken]
  })
  return inSlices(arns, 100, async containerInstances =>
    (await ecs().send(new DescribeContainerInstancesCommand({ cluster, containerInstances, include: ['TAGS'] }))).containerInstances ?? [])
}

export async function listFamilies(status: 'ACTIVE' | 'INACTIVE' | 'ALL' = 'ACTIVE'): Promise<string[]> {
  return all(async nextToken => {
    const answer = await ecs().send(new ListTaskDefinitionFamiliesCommand({ status, nextToken, maxResults: 100 }))
    return [answer.families, answer.nextToken]
  })
}

/** "family:revision" of all revisions of a family, the newest first. */
export async function listRevisions(family: string, status: 'ACTIVE' | 'INACTIVE' = 'ACTIVE'): Promise<string[]> {
  const arns = await all(async nextToken => {
    const answer = await ecs().send(
      new ListTaskDefinitionsCommand({ familyPrefix: family, status, sort: 'DESC', nextToken, maxResults: 100 }))
    return [answer.taskDefinitionArns, answer.nextToken]
  })
  return arns.map(arn => arn.slice(arn.lastIndexOf('/') + 1)).filter(name => name.slice(0, name.lastIndexOf(':')) === family)
}

export async function getTaskDefinition(taskDefinition: string): Promise<TaskDefinition & { tags?: Tag[] }> {
  const answer = await ecs().send(new DescribeTaskDefinitionCommand({ taskDefinition, include: ['TAGS'] }))
  return { ...answer.taskDefinition, tags: answer.tags }
}
