import { DeregisterContainerInstanceCommand, UpdateContainerInstancesStateCommand, type ContainerInstance } from '@aws-sdk/client-ecs'
import Button from '@cloudscape-design/components/button'
import SpaceBetween from '@cloudscape-design/components/space-between'
import { memo, useState } from 'react'

import { ecs } from '../aws'
import { listInstances } from '../data/ecs'
import { attribute } from '../data/instances'
import { useTasks } from '../data/live-ecs'
import { useLoad } from '../data/load'
import { shortId, shortName } from '../data/names'
import { Confirm } from '../parts/confirm'
import { useFlash } from '../parts/flash'
import { InstanceUse } from '../parts/instance-use'
import { Link } from '../parts/link'
import { List } from '../parts/list'
import { ErrorAlert } from '../parts/page'
import { Picture } from '../parts/picture'
import { Status } from '../parts/status'
import { ClusterProviders } from './cluster-providers'

/** Not drawn again with the page around it, whose counts change. */
export const Infrastructure = memo(function Infrastructure({ cluster }: { cluster: string }) {
  const tell = useFlash()
  const [selected, setSelected] = useState<ContainerInstance[]>([])
  const [removing, setRemoving] = useState(false)
  const { data, error, loading } = useLoad(
    () => listInstances(cluster), [cluster], c => ['container-instance', 'task', 'reset'].includes(c.kind))
  const { data: tasks } = useTasks({ cluster }, 'LIVE')
  const arns = selected.map(instance => instance.containerInstanceArn!)
  const move = (status: 'DRAINING' | 'ACTIVE') =>
    ecs()
      .send(new UpdateContainerInstancesStateCommand({ cluster, containerInstances: arns, status }))
      .then(
        () => tell('success', status === 'DRAINING' ? 'Draining: services move their tasks elsewhere.' : 'Active again.'),
        (e: Error) => tell('error', e.message),
      )
  return (
    <SpaceBetween size="l">
      <ErrorAlert error={error} />
      {data && tasks && <Picture cluster={cluster} instances={data} tasks={tasks} />}
      <List<ContainerInstance>
        title="Container instances"
        noun="container instance"
        items={data}
        loading={loading}
        id={instance => instance.containerInstanceArn!}
        multi
        selected={selected}
        onSelect={setSelected}
        actions={
          <SpaceBetween direction="horizontal" size="xs">
            <Button disabled={arns.length === 0} onClick={() => void move('DRAINING')}>Drain</Button>
            <Button disabled={arns.length === 0} onClick={() => void move('ACTIVE')}>Activate</Button>
            <Button disabled={arns.length === 0} onClick={() => setRemoving(true)}>Deregister</Button>
          </SpaceBetween>
        }
        empty="On the new machine: gantry agent --server URL, with a key that gantry keys create --agent made."
        columns={[
          { id: 'id', header: 'Instance', cell: i => <Link to={`/clusters/${cluster}/instances/${shortName(i.containerInstanceArn)}`}>{shortId(i.containerInstanceArn)}</Link>, isRowHeader: true },
          { id: 'status', header: 'Status', cell: i => <Status of={i.status} />, sortingField: 'status' },
          { id: 'agent', header: 'Agent', cell: i => <Status of={i.agentConnected ? 'CONNECTED' : 'DISCONNECTED'} /> },
          { id: 'zone', header: 'Zone', cell: i => attribute(i, 'ecs.availability-zone') ?? '–' },
          { id: 'tasks', header: 'Tasks', cell: i => `${i.runningTasksCount} running, ${i.pendingTasksCount} pending` },
          { id: 'cpu', header: 'CPU', cell: i => <InstanceUse of="CPU" instance={i} />, minWidth: 180 },
          { id: 'memory', header: 'Memory', cell: i => <InstanceUse of="MEMORY" instance={i} />, minWidth: 180 },
        ]}
      />
      <ClusterProviders cluster={cluster} />
      {removing && (
        <Confirm
          title="Deregister?"
          action="Deregister"
          close={() => setRemoving(false)}
          run={async () => {
            for (const containerInstance of arns) await ecs().send(new DeregisterContainerInstanceCommand({ cluster, containerInstance }))
            tell('success', 'Deregistered.')
            setSelected([])
          }}
        >
          An instance with running tasks has to be drained first.
        </Confirm>
      )}
    </SpaceBetween>
  )
})
