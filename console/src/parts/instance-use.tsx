// How much of a container instance's resource is taken, as a bar.
import type { ContainerInstance } from '@aws-sdk/client-ecs'
import ProgressBar from '@cloudscape-design/components/progress-bar'

import { shortId, vcpus } from '../data/names'

function amount(resources: ContainerInstance['registeredResources'], name: string): number {
  return resources?.find(r => r.name === name)?.integerValue ?? 0
}

export function InstanceUse({ of, instance }: { of: 'CPU' | 'MEMORY'; instance: ContainerInstance }) {
  const whole = amount(instance.registeredResources, of)
  const used = whole - amount(instance.remainingResources, of)
  return (
    <ProgressBar
      variant="standalone"
      value={whole > 0 ? (100 * used) / whole : 0}
      ariaLabel={`${of === 'CPU' ? 'CPU' : 'Memory'} of ${shortId(instance.containerInstanceArn)}`}
      additionalInfo={of === 'CPU' ? `${vcpus(used)} of ${vcpus(whole)}` : `${used} of ${whole} MiB`}
    />
  )
}
