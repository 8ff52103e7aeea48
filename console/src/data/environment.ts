// The environment that a container of a task begins with.
import type { ContainerDefinition, ContainerOverride } from '@aws-sdk/client-ecs'

export interface Variable {
  name: string
  value: string
  /** "task definition", "override", "secret" */
  from: string
}

/** By name; what the task was run with counts more than what its definition says. Secrets are told by where they come from. */
export function environmentOf(container: ContainerDefinition, override?: ContainerOverride): Variable[] {
  const found = new Map<string, Variable>()
  const add = (from: string, name: string | undefined, value: string | undefined) => {
    if (name) found.set(name, { name, value: value ?? '', from })
  }
  for (const one of container.environment ?? []) add('task definition', one.name, one.value)
  for (const one of container.secrets ?? []) add('secret', one.name, one.valueFrom)
  for (const one of override?.environment ?? []) add('override', one.name, one.value)
  return [...found.values()].sort((a, b) => a.name.localeCompare(b.name))
}
