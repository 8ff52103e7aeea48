import type { Cluster } from '@aws-sdk/client-ecs'
import Box from '@cloudscape-design/components/box'
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
        empty={
          <>
            <Box color="inherit">
              A cluster is what services and tasks run in: on machines that join it with gantry agent (gantry up has one already), or on Fargate.
              Create one, then a task definition that says which containers to run, then a service that keeps them running.
            </Box>
            {create}
          </>
        }
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
