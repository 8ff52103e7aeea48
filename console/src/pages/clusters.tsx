import type { Cluster } from '@aws-sdk/client-ecs'
import Button from '@cloudscape-design/components/button'
import { useNavigate } from 'react-router-dom'

import { listClusters } from '../data/ecs'
import { useLoad } from '../data/load'
import { Link } from '../parts/link'
import { List } from '../parts/list'
import { ErrorAlert, useTitle } from '../parts/page'
import { Status } from '../parts/status'

export default function Clusters() {
  useTitle('Clusters')
  const navigate = useNavigate()
  const { data, error, loading } = useLoad(listClusters, [])
  const create = <Button variant="primary" onClick={() => navigate('/clusters/create')}>Create cluster</Button>
  return (
    <>
      <ErrorAlert error={error} />
      <List<Cluster>
        fullPage
        title="Clusters"
        noun="cluster"
        items={data}
        loading={loading}
        id={cluster => cluster.clusterName!}
        actions={create}
        empty={create}
        columns={[
          {
            id: 'name',
            header: 'Cluster',
            cell: c => <Link to={`/clusters/${c.clusterName}/services`}>{c.clusterName}</Link>,
            sortingField: 'clusterName',
            isRowHeader: true,
          },
          { id: 'status', header: 'Status', cell: c => <Status of={c.status} />, sortingField: 'status' },
          { id: 'services', header: 'Services', cell: c => c.activeServicesCount, sortingField: 'activeServicesCount' },
          {
            id: 'tasks',
            header: 'Tasks',
            cell: c => `${c.runningTasksCount} running, ${c.pendingTasksCount} pending`,
            sortingField: 'runningTasksCount',
          },
          {
            id: 'instances',
            header: 'Container instances',
            cell: c => c.registeredContainerInstancesCount,
            sortingField: 'registeredContainerInstancesCount',
          },
        ]}
      />
    </>
  )
}
