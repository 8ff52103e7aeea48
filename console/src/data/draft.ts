// A task definition that is being written: what the form holds, and the request that it stands for.
import type { RegisterTaskDefinitionCommandInput, TaskDefinition } from '@aws-sdk/client-ecs'

import { nameProblem, numberProblem, type PairDraft, tagProblems } from './rules'

export interface PortDraft {
  containerPort: string
  hostPort: string // '' in bridge mode: any free one
  protocol: 'tcp' | 'udp'
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
  if (image.length > 255) return `Image: ${image.length} characters; at most 255 are allowed.`
  const wrong = image.match(/[^A-Za-z0-9\-_.:/@#]/)
  if (wrong) return `Image: "${wrong[0]}" is not allowed; use letters, digits and - _ . : / @ #.`
  return undefined
}

/** What is wrong with a command line: a quote that nothing closes. */
export function commandProblem(what: string, text: string): string | undefined {
  const rest = text.replace(/"(?:[^"\\]|\\.)*"|'[^']*'/g, '')
  const open = rest.match(/["']/)
  return open ? `${what}: a ${open[0]} is not closed.` : undefined
}

function portProblems(draft: Draft, container: ContainerDraft, at: string, problems: Problems) {
  const bridge = draft.launchType === 'EC2' && draft.networkMode === 'bridge'
  const taken = (port: PortDraft) => `${bridge ? port.hostPort : port.containerPort}/${port.protocol}`
  const all = draft.containers.flatMap(c => c.ports)
  container.ports.forEach((port, i) => {
    const field = `${at}.ports[${i}].${bridge ? 'hostPort' : 'containerPort'}`
    note(problems, `${at}.ports[${i}].containerPort`, numberProblem('Container port', port.containerPort, 1, 65535))
    if (bridge && port.hostPort) note(problems, `${at}.ports[${i}].hostPort`, numberProblem('Host port', port.hostPort, 0, 65535))
    const shared = bridge ? Number(port.hostPort) > 0 : draft.networkMode !== 'none' && port.containerPort !== ''
    if (shared && all.filter(other => taken(other) === taken(port)).length > 1)
      problems[field] ??= `${bridge ? 'Host' : 'Container'} port: ${taken(port)} is given twice; one port has one container.`
  })
  if (draft.launchType === 'EC2' && draft.networkMode === 'none' && container.ports.length > 0)
    problems[`${at}.ports[0].containerPort`] = 'Container port: there are none in the network mode none.'
}

function containerProblems(draft: Draft, container: ContainerDraft, at: string, problems: Problems) {
  note(problems, `${at}.name`, nameProblem('Container name', container.name))
  if (draft.containers.filter(other => other.name === container.name).length > 1)
    problems[`${at}.name`] = `Container name: "${container.name}" is given twice.`
  note(problems, `${at}.image`, imageProblem(container.image))
  portProblems(draft, container, at, problems)
  if (container.cpu) note(problems, `${at}.cpu`, numberProblem('CPU units', container.cpu, 0, 196608))
  if (container.memory) note(problems, `${at}.memory`, numberProblem('Memory', container.memory, 6, 100_000_000))
  else if (draft.launchType === 'EC2' && !draft.memory)
    problems[`${at}.memory`] = 'Memory: give the container a limit, or the task a size.'
  if (Number(container.memory) > Number(draft.memory) && draft.memory)
    problems[`${at}.memory`] ??= `Memory: the task has ${draft.memory} MiB; a container cannot have more.`
  note(problems, `${at}.command`, commandProblem('Command', container.command))
  container.environment.forEach((pair, i) => {
    if (pair.key === '') problems[`${at}.environment[${i}].key`] = 'Key: say the name of the variable.'
    else if (container.environment.findIndex(other => other.key === pair.key) < i)
      problems[`${at}.environment[${i}].key`] = `Key: "${pair.key}" is given twice.`
  })
  const mounts = draft.containers.flatMap(c => c.mounts)
  container.mounts.forEach((mount, i) => {
    note(problems, `${at}.mounts[${i}].volume`, nameProblem('Volume name', mount.volume))
    if (!mount.containerPath.startsWith('/')) problems[`${at}.mounts[${i}].containerPath`] = 'Path in the container: it must begin with "/".'
    else if (container.mounts.findIndex(other => other.containerPath === mount.containerPath) < i)
      problems[`${at}.mounts[${i}].containerPath`] = 'Path in the container: another volume is there already.'
    if (mount.hostPath && !mount.hostPath.startsWith('/')) problems[`${at}.mounts[${i}].hostPath`] = 'Path on the host: it must begin with "/".'
    else if (mounts.some(other => other.volume === mount.volume && other.hostPath !== mount.hostPath))
      problems[`${at}.mounts[${i}].hostPath`] = `Path on the host: volume ${mount.volume} has two of them.`
  })
}

function roleProblem(what: string, role: string): string | undefined {
  if (/^[\w+=,.@-]{1,64}$/.test(role) || /^arn:aws:iam::\d{12}:role\/[\w+=,.@/-]+$/.test(role)) return undefined
  return `${what}: the name of a role, or arn:aws:iam::ACCOUNT:role/NAME.`
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
    if (draft.cpu) note(problems, 'cpu', numberProblem('Task CPU', draft.cpu, 128, 196608))
    if (draft.memory) note(problems, 'memory', numberProblem('Task memory', draft.memory, 4, 100_000_000))
  }
  const cpu = draft.containers.reduce((sum, container) => sum + (Number(container.cpu) || 0), 0)
  if (draft.cpu && cpu > Number(draft.cpu)) problems['cpu'] ??= `Task CPU: the containers have ${cpu} units together; the task needs as many.`
  if (draft.taskRole) note(problems, 'taskRole', roleProblem('Task role', draft.taskRole))
  if (draft.executionRole) note(problems, 'executionRole', roleProblem('Task execution role', draft.executionRole))
  if (!draft.containers.some(container => container.essential)) problems['containers'] = 'At least one container has to be essential.'
  draft.containers.forEach((container, i) => containerProblems(draft, container, `containers[${i}]`, problems))
  Object.entries(tagProblems(draft.tags)).forEach(([field, problem]) => note(problems, `tags${field}`, problem))
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
