// What container instances say of themselves.
import type { ContainerInstance } from '@aws-sdk/client-ecs'

export function attribute(instance: ContainerInstance, name: string): string | undefined {
  return instance.attributes?.find(a => a.name === name)?.value
}
