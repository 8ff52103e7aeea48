import { DescribeCapacityProvidersCommand, type CapacityProvider, type Cluster } from '@aws-sdk/client-ecs'

import { ecs } from '../aws'
import { getCluster } from '../data/ecs'
import { useLoad } from '../data/load'
import { shortName } from '../data/names'
import { Link } from '../parts/link'
import { List } from '../parts/list'
import { ErrorAlert } from '../parts/page'
import { Status } from '../parts/status'

async function getProviders(name: string) {
  const cluster = await getCluster(name)
  const names = cluster.capacityProviders ?? []
  const providers = names.length > 0 ? (await ecs().send(new DescribeCapacityProvidersCommand({ capacityProviders: names }))).capacityProviders : []
  return { cluster, providers: providers ?? [] }
}

/** The cluster's default strategy for a provider. */
function share(cluster: Cluster, provider: CapacityProvider): string {
  const item = cluster.defaultCapacityProviderStrategy?.find(one => one.capacityProvider === provider.name)
  return item ? `weight ${item.weight ?? 0}, base ${item.base ?? 0}` : '–'
}

function scaling(provider: CapacityProvider): string {
  const managed = provider.autoScalingGroupProvider?.managedScaling
  if (!provider.autoScalingGroupProvider) return 'the pool of Fargate'
  return managed?.status === 'ENABLED' ? `keeps ${managed.targetCapacity ?? 100} % in use` : 'off'
}

function groupOf(provider: CapacityProvider) {
  const name = shortName(provider.autoScalingGroupProvider?.autoScalingGroupArn)
  return name ? <Link to={`/scaling-groups/${encodeURIComponent(name)}`}>{name}</Link> : '–'
}

/** What the cluster can get machines from. */
export function ClusterProviders({ cluster: name }: { cluster: string }) {
  const { data, error, loading } = useLoad(() => getProviders(name), [name], c => ['capacity-provider', 'cluster', 'reset'].includes(c.kind))
  return (
    <>
      <ErrorAlert error={error} />
      <List<CapacityProvider>
        title="Capacity providers"
        noun="capacity provider"
        items={data?.providers}
        loading={loading}
        id={p => p.name!}
        empty="Tasks run on the container instances that are there. A capacity provider adds and takes away machines: Update cluster chooses FARGATE, or one that aws ecs create-capacity-provider made."
        columns={[
          { id: 'name', header: 'Name', cell: p => p.name, isRowHeader: true },
          { id: 'status', header: 'Status', cell: p => <Status of={p.status} /> },
          { id: 'group', header: 'Auto scaling group', cell: groupOf },
          { id: 'scaling', header: 'Managed scaling', cell: scaling },
          { id: 'share', header: 'Default strategy', cell: p => (data ? share(data.cluster, p) : '') },
        ]}
      />
    </>
  )
}
