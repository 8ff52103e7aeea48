// A service that is being written: what the form holds, and the requests that it stands for.
import {
  AuthorizeSecurityGroupIngressCommand,
  CreateSecurityGroupCommand,
  DeleteSecurityGroupCommand,
} from '@aws-sdk/client-ec2'
import { CreateServiceCommand, type CreateServiceCommandInput, type TaskDefinition } from '@aws-sdk/client-ecs'
import {
  CreateListenerCommand,
  CreateLoadBalancerCommand,
  CreateTargetGroupCommand,
  DeleteListenerCommand,
  DeleteLoadBalancerCommand,
  DeleteTargetGroupCommand,
} from '@aws-sdk/client-elastic-load-balancing-v2'

import { ec2, ecs, elb } from '../aws'
import { isRange, nameProblem, numberProblem, sourceProblem } from './rules'
import { Undo } from './undo'

export interface InboundDraft {
  port: string
  source: string
}

export interface ServiceDraft {
  launchType: 'FARGATE' | 'EC2'
  taskDefinition: string
  name: string
  strategy: 'REPLICA' | 'DAEMON'
  desired: string
  minimum: string
  maximum: string
  breaker: boolean
  rollback: boolean
  vpc: string
  subnets: string[]
  groups: string[]
  newGroup: boolean
  groupName: string
  inbound: InboundDraft[]
  publicIp: boolean
  balancer: 'none' | 'new' | 'existing'
  balancerName: string
  listenerPort: string
  healthPath: string
  targetGroup: string
  container: string // "NAME:PORT" that the balancer sends to
}

export function newServiceDraft(taskDefinition: string): ServiceDraft {
  return {
    launchType: 'EC2',
    taskDefinition,
    name: taskDefinition.split(':')[0] ?? '',
    strategy: 'REPLICA',
    desired: '1',
    minimum: '100',
    maximum: '200',
    breaker: true,
    rollback: true,
    vpc: '',
    subnets: [],
    groups: [],
    newGroup: false,
    groupName: '',
    inbound: [],
    publicIp: true,
    balancer: 'none',
    balancerName: '',
    listenerPort: '80',
    healthPath: '/',
    targetGroup: '',
    container: '',
  }
}

/** "NAME:PORT" of every port of the definition's containers. */
export function endpoints(definition: TaskDefinition | undefined): string[] {
  return (definition?.containerDefinitions ?? []).flatMap(c => (c.portMappings ?? []).map(p => `${c.name}:${p.containerPort}`))
}

export function wantedPorts(definition: TaskDefinition | undefined): number[] {
  return (definition?.containerDefinitions ?? []).flatMap(c =>
    (c.portMappings ?? []).filter(p => p.protocol !== 'udp').map(p => p.containerPort ?? 0)).filter(port => port > 0)
}

export type ServiceProblems = Partial<Record<keyof ServiceDraft | `inbound[${number}].port` | `inbound[${number}].source`, string>>

function networkProblems(draft: ServiceDraft, problems: ServiceProblems) {
  if (draft.subnets.length === 0) problems.subnets = 'Subnets: choose at least one.'
  if (draft.subnets.length > 16) problems.subnets = 'Subnets: at most 16.'
  if (!draft.newGroup && draft.groups.length > 5) problems.groups = 'Security groups: at most 5.'
  if (!draft.newGroup) return
  if (!/^[\w .:/()#,@[\]+=&;{}!$*-]{1,255}$/.test(draft.groupName) || draft.groupName.startsWith('sg-'))
    problems.groupName = 'Name of the group: 1 to 255 letters, digits and ._-:/()#,@[]+=&;{}!$*, not beginning with sg-.'
  draft.inbound.forEach((rule, i) => {
    const port = numberProblem('Port', rule.port, 1, 65535)
    if (port) problems[`inbound[${i}].port`] = port
    const source = sourceProblem(rule.source)
    if (source) problems[`inbound[${i}].source`] = source
  })
}

function balancerProblems(draft: ServiceDraft, definition: TaskDefinition | undefined, problems: ServiceProblems) {
  if (!endpoints(definition).includes(draft.container)) problems.container = 'Container to balance: choose one of its ports.'
  if (draft.balancer === 'existing' && !draft.targetGroup) problems.targetGroup = 'Target group: choose one.'
  if (draft.balancer !== 'new') return
  if (!/^(?!internal-)[A-Za-z0-9](?:[A-Za-z0-9-]{0,30}[A-Za-z0-9])?$/.test(draft.balancerName))
    problems.balancerName = 'Load balancer name: 1 to 32 letters, digits and hyphens, no hyphen at either end.'
  const port = numberProblem('Listener port', draft.listenerPort, 1, 65535)
  if (port) problems.listenerPort = port
  if (!draft.healthPath.startsWith('/')) problems.healthPath = 'Health check path: it must begin with "/".'
  else if (draft.healthPath.length > 1024) problems.healthPath = 'Health check path: at most 1,024 characters.'
  else if (/\s/.test(draft.healthPath)) problems.healthPath = 'Health check path: no blanks are allowed.'
}

export function serviceProblems(draft: ServiceDraft, definition: TaskDefinition | undefined): ServiceProblems {
  const problems: ServiceProblems = {}
  const name = nameProblem('Service name', draft.name)
  if (name) problems.name = name
  if (!draft.taskDefinition) problems.taskDefinition = 'Task definition: choose one.'
  if (definition?.compatibilities && !definition.compatibilities.includes(draft.launchType))
    problems.launchType = `Launch type: this task definition is made for ${definition.compatibilities.join(', ')}.`
  if (draft.launchType === 'FARGATE' && draft.strategy === 'DAEMON') problems.strategy = 'Service type: Fargate has no container instances to run daemons on.'
  if (draft.strategy === 'REPLICA') {
    const desired = numberProblem('Desired tasks', draft.desired, 0, 5000)
    if (desired) problems.desired = desired
    const maximum = numberProblem('Maximum running tasks', draft.maximum, 1, 1000)
    if (maximum) problems.maximum = maximum
  }
  const minimum = numberProblem('Minimum running tasks', draft.minimum, 0, 100)
  if (minimum) problems.minimum = minimum
  if (definition?.networkMode === 'awsvpc' || draft.balancer === 'new') networkProblems(draft, problems)
  if (draft.balancer !== 'none') balancerProblems(draft, definition, problems)
  return problems
}

/** The CreateService request; ids of what is made with the service are given, or named as placeholders. */
export function serviceRequest(
  cluster: string, draft: ServiceDraft, definition: TaskDefinition | undefined,
  made: { group?: string; targetGroup?: string } = {}): CreateServiceCommandInput {
  const [containerName, port] = draft.container.split(':')
  const targetGroupArn = draft.balancer === 'new' ? (made.targetGroup ?? 'TARGET-GROUP-ARN') : draft.targetGroup
  return {
    cluster,
    serviceName: draft.name,
    taskDefinition: draft.taskDefinition,
    launchType: draft.launchType,
    schedulingStrategy: draft.strategy,
    desiredCount: draft.strategy === 'REPLICA' ? Number(draft.desired) : undefined,
    deploymentConfiguration: {
      minimumHealthyPercent: Number(draft.minimum),
      maximumPercent: draft.strategy === 'REPLICA' ? Number(draft.maximum) : undefined,
      deploymentCircuitBreaker: draft.breaker ? { enable: true, rollback: draft.rollback } : undefined,
    },
    networkConfiguration:
      definition?.networkMode === 'awsvpc'
        ? {
            awsvpcConfiguration: {
              subnets: draft.subnets,
              securityGroups: draft.newGroup ? [made.group ?? 'SECURITY-GROUP-ID'] : draft.groups,
              // Only Fargate has it: on a container instance the subnet's routes decide.
              assignPublicIp: draft.launchType === 'FARGATE' ? (draft.publicIp ? 'ENABLED' : 'DISABLED') : undefined,
            },
          }
        : undefined,
    loadBalancers: draft.balancer === 'none' ? undefined : [{ targetGroupArn, containerName, containerPort: Number(port) }],
  }
}

async function makeGroup(undo: Undo, draft: ServiceDraft): Promise<string> {
  const id = await undo.make(
    async () =>
      (await ec2().send(new CreateSecurityGroupCommand({ GroupName: draft.groupName, Description: `Service ${draft.name}`, VpcId: draft.vpc }))).GroupId!,
    GroupId => ec2().send(new DeleteSecurityGroupCommand({ GroupId })))
  if (draft.inbound.length > 0)
    await ec2().send(
      new AuthorizeSecurityGroupIngressCommand({
        GroupId: id,
        IpPermissions: draft.inbound.map(rule => ({
          IpProtocol: 'tcp',
          FromPort: Number(rule.port),
          ToPort: Number(rule.port),
          ...(isRange(rule.source) ? { IpRanges: [{ CidrIp: rule.source }] } : { UserIdGroupPairs: [{ GroupId: rule.source }] }),
        })),
      }))
  return id
}

async function makeBalancer(undo: Undo, draft: ServiceDraft, awsvpc: boolean, groups: string[]): Promise<string> {
  const balancer = await undo.make(
    async () =>
      (await elb().send(
        new CreateLoadBalancerCommand({ Name: draft.balancerName, Type: 'application', Subnets: draft.subnets, SecurityGroups: groups }))).LoadBalancers![0]!
        .LoadBalancerArn!,
    LoadBalancerArn => elb().send(new DeleteLoadBalancerCommand({ LoadBalancerArn })))
  const target = await undo.make(
    async () =>
      (await elb().send(
        new CreateTargetGroupCommand({
          Name: `${draft.balancerName.slice(0, 28)}-tg`,
          Protocol: 'HTTP',
          Port: 80,
          VpcId: draft.vpc,
          TargetType: awsvpc ? 'ip' : 'instance',
          HealthCheckPath: draft.healthPath,
        }))).TargetGroups![0]!.TargetGroupArn!,
    TargetGroupArn => elb().send(new DeleteTargetGroupCommand({ TargetGroupArn })))
  await undo.make(
    async () =>
      (await elb().send(
        new CreateListenerCommand({
          LoadBalancerArn: balancer,
          Protocol: 'HTTP',
          Port: Number(draft.listenerPort),
          DefaultActions: [{ Type: 'forward', TargetGroupArn: target }],
        }))).Listeners![0]!.ListenerArn!,
    ListenerArn => elb().send(new DeleteListenerCommand({ ListenerArn })))
  return target
}

/** Makes the service with all that it needs. When something fails nothing of it stays. */
export async function createService(cluster: string, draft: ServiceDraft, definition: TaskDefinition | undefined) {
  const undo = new Undo()
  const made: { group?: string; targetGroup?: string } = {}
  const awsvpc = definition?.networkMode === 'awsvpc'
  try {
    if (awsvpc && draft.newGroup) made.group = await makeGroup(undo, draft)
    if (draft.balancer === 'new')
      made.targetGroup = await makeBalancer(undo, draft, awsvpc, made.group ? [made.group] : draft.groups)
    await ecs().send(new CreateServiceCommand(serviceRequest(cluster, draft, definition, made)))
  } catch (e) {
    throw await undo.all(e as Error)
  }
}
