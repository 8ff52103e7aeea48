// A task definition that is being written: what the form holds, and the request that it stands for.
import type { RegisterTaskDefinitionCommandInput, TaskDefinition } from '@aws-sdk/client-ecs'

import { nameProblem, numberProblem } from './rules'

export interface PortDraft {
  containerPort: string
  hostPort: string // '' in bridge mode: any free one
  protocol: 'tcp' | 'udp'
}

export interface PairDraft {
  key: string
  value: string
}

export interface MountDraft {
  volume: string
  hostPath: string // '': an empty volume that lives as long as the task
  containerPath: string
  readOnly: boolean
}

export interface ContainerDraft {
  name: string
  image: string
  essential: boolean
  ports: PortDraft[]
  cpu: string
  memory: string
  command: string
  environment: PairDraft[]
  mounts: MountDraft[]
  healthCommand: string
  logs: boolean
}

export interface Draft {
  family: string
  launchType: 'FARGATE' | 'EC2'
  architecture: 'X86_64' | 'ARM64'
  networkMode: 'awsvpc' | 'bridge' | 'host' | 'none'
  cpu: string
  memory: string
  taskRole: string
  executionRole: string
  containers: ContainerDraft[]
  tags: PairDraft[]
}

export function newContainer(n: number): ContainerDraft {
  return {
    name: n === 1 ? 'web' : `container-${n}`,
    image: '',
    essential: true,
    ports: n === 1 ? [{ containerPort: '80', hostPort: '', protocol: 'tcp' }] : [],
    cpu: '',
    memory: '',
    command: '',
    environment: [],
    mounts: [],
    healthCommand: '',
    logs: true,
  }
}

export function newDraft(): Draft {
  return {
    family: '',
    launchType: 'EC2',
    architecture: 'X86_64',
    networkMode: 'bridge',
    cpu: '256',
    memory: '512',
    taskRole: '',
    executionRole: '',
    containers: [newContainer(1)],
    tags: [],
  }
}

/** Memory sizes (MiB) that Fargate has for a number of CPU units. */
export const fargateSizes: Record<string, number[]> = {
  256: [512, 1024, 2048],
  512: range(1024, 4096, 1024),
  1024: range(2048, 8192, 1024),
  2048: range(4096, 16384, 1024),
  4096: range(8192, 30720, 1024),
  8192: range(16384, 61440, 4096),
  16384: range(32768, 122880, 8192),
}

function range(low: number, high: number, step: number): number[] {
  return Array.from({ length: (high - low) / step + 1 }, (_, i) => low + i * step)
}

/** What is wrong, by the name of the field: "family", "containers[0].image". */
export type Problems = Record<string, string>

function note(problems: Problems, field: string, problem: string | undefined) {
  if (problem) problems[field] = problem
}

function imageProblem(image: string): string | undefined {
  if (image === '') return 'Image: say one, for example docker.io/library/nginx:1.27.'
  if (/\s/.test(image)) return 'Image: no blanks are allowed.'
  return undefined
}

function containerProblems(draft: Draft, container: ContainerDraft, at: string, problems: Problems) {
  note(problems, `${at}.name`, nameProblem('Container name', container.name))
  if (draft.containers.filter(other => other.name === container.name).length > 1)
    problems[`${at}.name`] = `Container name: "${container.name}" is given twice.`
  note(problems, `${at}.image`, imageProblem(container.image))
  container.ports.forEach((port, i) => {
    note(problems, `${at}.ports[${i}].containerPort`, numberProblem('Container port', port.containerPort, 1, 65535))
    if (port.hostPort) note(problems, `${at}.ports[${i}].hostPort`, numberProblem('Host port', port.hostPort, 0, 65535))
  })
  if (container.cpu) note(problems, `${at}.cpu`, numberProblem('CPU units', container.cpu, 0, 196608))
  if (container.memory) note(problems, `${at}.memory`, numberProblem('Memory', container.memory, 6, 100_000_000))
  else if (draft.launchType === 'EC2' && !draft.memory)
    problems[`${at}.memory`] = 'Memory: give the container a limit, or the task a size.'
  container.environment.forEach((pair, i) => {
    if (pair.key === '') problems[`${at}.environment[${i}].key`] = 'Say the name of the variable.'
  })
  container.mounts.forEach((mount, i) => {
    note(problems, `${at}.mounts[${i}].volume`, nameProblem('Volume name', mount.volume))
    if (!mount.containerPath.startsWith('/')) problems[`${at}.mounts[${i}].containerPath`] = 'Container path: it must begin with "/".'
    if (mount.hostPath && !mount.hostPath.startsWith('/')) problems[`${at}.mounts[${i}].hostPath`] = 'Path on the host: it must begin with "/".'
  })
}

export function draftProblems(draft: Draft): Problems {
  const problems: Problems = {}
  note(problems, 'family', nameProblem('Task definition family', draft.family))
  if (draft.launchType === 'FARGATE') {
    const sizes = fargateSizes[draft.cpu]
    if (!sizes) problems['cpu'] = `CPU: Fargate has ${Object.keys(fargateSizes).join(', ')} units.`
    else if (!sizes.includes(Number(draft.memory)))
      problems['memory'] = `Memory: with ${draft.cpu} CPU units Fargate has ${sizes[0]} to ${sizes.at(-1)} MiB.`
  } else {
    if (draft.cpu) note(problems, 'cpu', numberProblem('CPU units', draft.cpu, 128, 196608))
    if (draft.memory) note(problems, 'memory', numberProblem('Memory', draft.memory, 4, 100_000_000))
  }
  for (const role of ['taskRole', 'executionRole'] as const)
    if (draft[role] && !/^[\w+=,.@/:-]+$/.test(draft[role])) problems[role] = 'A role is named by its name or ARN.'
  if (!draft.containers.some(container => container.essential)) problems['containers'] = 'At least one container has to be essential.'
  draft.containers.forEach((container, i) => containerProblems(draft, container, `containers[${i}]`, problems))
  draft.tags.forEach((tag, i) => {
    if (tag.key === '') problems[`tags[${i}].key`] = 'Say the key.'
  })
  return problems
}

/** Words of a command line; quotes keep blanks together. */
export function words(text: string): string[] {
  return [...text.matchAll(/"((?:[^"\\]|\\.)*)"|'([^']*)'|(\S+)/g)].map(m => m[1]?.replace(/\\(.)/g, '$1') ?? m[2] ?? m[3] ?? '')
}

function logConfiguration(draft: Draft, region: string) {
  return {
    logDriver: 'awslogs' as const,
    options: {
      'awslogs-group': `/ecs/${draft.family}`,
      'awslogs-region': region,
      'awslogs-stream-prefix': 'ecs',
      'awslogs-create-group': 'true',
    },
  }
}

/** The request that the draft stands for. Absent is what was left empty. */
export function requestOf(draft: Draft, region: string): RegisterTaskDefinitionCommandInput {
  const volumes = new Map<string, string>()
  draft.containers.forEach(c => c.mounts.forEach(m => volumes.set(m.volume, m.hostPath)))
  const bridge = draft.networkMode === 'bridge'
  return {
    family: draft.family,
    requiresCompatibilities: [draft.launchType],
    networkMode: draft.launchType === 'FARGATE' ? 'awsvpc' : draft.networkMode,
    cpu: draft.cpu || undefined,
    memory: draft.memory || undefined,
    runtimePlatform: { operatingSystemFamily: 'LINUX', cpuArchitecture: draft.architecture },
    taskRoleArn: draft.taskRole || undefined,
    executionRoleArn: draft.executionRole || undefined,
    containerDefinitions: draft.containers.map(c => ({
      name: c.name,
      image: c.image,
      essential: c.essential,
      cpu: c.cpu ? Number(c.cpu) : undefined,
      memory: c.memory ? Number(c.memory) : undefined,
      portMappings: c.ports.map(p => ({
        containerPort: Number(p.containerPort),
        hostPort: bridge && p.hostPort ? Number(p.hostPort) : undefined,
        protocol: p.protocol,
      })),
      command: c.command ? words(c.command) : undefined,
      environment: c.environment.map(({ key, value }) => ({ name: key, value })),
      mountPoints: c.mounts.map(m => ({ sourceVolume: m.volume, containerPath: m.containerPath, readOnly: m.readOnly })),
      healthCheck: c.healthCommand ? { command: ['CMD-SHELL', c.healthCommand] } : undefined,
      logConfiguration: c.logs ? logConfiguration(draft, region) : undefined,
    })),
    volumes: [...volumes].map(([name, sourcePath]) => ({ name, host: sourcePath ? { sourcePath } : {} })),
    tags: draft.tags.length > 0 ? draft.tags.map(({ key, value }) => ({ key, value })) : undefined,
  }
}

/** The members of a registered task definition that a new revision of it would be registered with. */
export function requestFrom(definition: TaskDefinition): RegisterTaskDefinitionCommandInput {
  const {
    taskDefinitionArn: _arn, revision: _revision, status: _status, requiresAttributes: _attributes, compatibilities: _compatibilities,
    registeredAt: _at, registeredBy: _by, deregisteredAt: _gone, ...rest
  } = definition
  return rest as RegisterTaskDefinitionCommandInput
}
