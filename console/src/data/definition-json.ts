// A task definition that is written as JSON: what is wrong with it, as far as it can be known before the server has seen it.
import type { RegisterTaskDefinitionCommandInput } from '@aws-sdk/client-ecs'

import { nameProblem, tagProblems } from './rules'

// The members of RegisterTaskDefinition and of a container: one that is spelled wrong would be ignored without a word.
export const members = [
  'family', 'taskRoleArn', 'executionRoleArn', 'networkMode', 'containerDefinitions', 'volumes', 'placementConstraints', 'requiresCompatibilities', 'cpu',
  'memory', 'tags', 'pidMode', 'ipcMode', 'proxyConfiguration', 'inferenceAccelerators', 'ephemeralStorage', 'runtimePlatform', 'enableFaultInjection',
]
export const containerMembers = [
  'name', 'image', 'repositoryCredentials', 'cpu', 'memory', 'memoryReservation', 'links', 'portMappings', 'essential', 'restartPolicy', 'entryPoint',
  'command', 'environment', 'environmentFiles', 'mountPoints', 'volumesFrom', 'linuxParameters', 'secrets', 'dependsOn', 'startTimeout', 'stopTimeout',
  'versionConsistency', 'hostname', 'user', 'workingDirectory', 'disableNetworking', 'privileged', 'readonlyRootFilesystem', 'dnsServers',
  'dnsSearchDomains', 'extraHosts', 'dockerSecurityOptions', 'interactive', 'pseudoTerminal', 'dockerLabels', 'ulimits', 'logConfiguration', 'healthCheck',
  'systemControls', 'resourceRequirements', 'firelensConfiguration', 'credentialSpecs',
]
const lists = ['containerDefinitions', 'volumes', 'placementConstraints', 'requiresCompatibilities', 'tags']
const texts = ['family', 'taskRoleArn', 'executionRoleArn', 'networkMode', 'cpu', 'memory']

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function stranger(value: object, known: string[]): string | undefined {
  const name = Object.keys(value).find(member => !known.includes(member))
  if (!name) return undefined
  const meant = known.find(member => member.toLowerCase() === name.toLowerCase())
  return `${name}: there is no such member${meant ? `; do you mean ${meant}?` : '.'}`
}

function containerProblem(container: unknown, all: unknown[]): string | undefined {
  if (!isObject(container)) return 'an object is wanted: {"name": …, "image": …}.'
  const strange = stranger(container, containerMembers)
  if (strange) return strange
  if (typeof container['name'] !== 'string' || typeof container['image'] !== 'string' || container['image'] === '') return 'name and image are wanted.'
  if (all.filter(other => isObject(other) && other['name'] === container['name']).length > 1) return `the name "${container['name']}" is given twice.`
  for (const member of ['cpu', 'memory', 'memoryReservation'])
    if (container[member] !== undefined && !Number.isInteger(container[member])) return `${member}: a whole number is wanted, without quotes.`
  for (const member of ['command', 'entryPoint', 'portMappings', 'environment', 'mountPoints'])
    if (container[member] !== undefined && !Array.isArray(container[member])) return `${member}: a list is wanted: […].`
  return nameProblem('name', container['name'])
}

/** Where the parser stopped, as people count: "line 3: …". */
function syntaxProblem(text: string, error: Error): string {
  const at = Number(error.message.match(/position (\d+)/)?.[1])
  const line = Number.isNaN(at) ? undefined : text.slice(0, at).split('\n').length
  return line ? `No JSON, line ${line}: ${error.message}` : `No JSON: ${error.message}`
}

export function definitionProblem(text: string): string | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (e) {
    return syntaxProblem(text, e as Error)
  }
  if (!isObject(value)) return 'One JSON object is wanted: {"family": …}.'
  const strange = stranger(value, members)
  if (strange) return strange
  for (const member of texts) if (value[member] !== undefined && typeof value[member] !== 'string') return `${member}: a text is wanted, in quotes.`
  for (const member of lists) if (value[member] !== undefined && !Array.isArray(value[member])) return `${member}: a list is wanted: […].`
  const request = value as unknown as RegisterTaskDefinitionCommandInput
  const family = nameProblem('family', request.family ?? '')
  if (family) return family
  const containers = request.containerDefinitions ?? []
  if (containers.length === 0) return 'containerDefinitions: at least one container is wanted.'
  for (const [i, container] of containers.entries()) {
    const problem = containerProblem(container, containers)
    if (problem) return `containerDefinitions[${i}]: ${problem}`
  }
  const tags = Object.entries(tagProblems((request.tags ?? []).map(tag => ({ key: tag.key ?? '', value: tag.value ?? '' }))))[0]
  return tags && `tags${tags[0]}: ${tags[1]}`
}
