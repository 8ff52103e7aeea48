import type { Service } from '@aws-sdk/client-ecs'
import Button from '@cloudscape-design/components/button'
import { memo } from 'react'
import { useNavigate } from 'react-router-dom'

import { useServices } from '../data/live-ecs'
import { shortName } from '../data/names'
import { Link } from '../parts/link'
import { List } from '../parts/list'
import { ErrorAlert } from '../parts/page'
import { Status } from '../parts/status'

/** Not drawn again with the page around it, whose counts change. */
export const ClusterServices = memo(function ClusterServices({ cluster }: { cluster: string }) {
  const navigate = useNavigate()
  const { data, error, loading } = useServices(cluster)
  const create = <Button variant="primary" onClick={() => navigate(`/clusters/${cluster}/services/create`)}>Create</Button>
  return (
    <>
      <ErrorAlert error={error} />
      <List<Service>
        title="Services"
        noun="service"
        items={data}
        loading={loading}
        id={service => service.serviceName!}
        actions={create}
        empty={create}
        columns={[
          {
            id: 'name',
            header: 'Service',
            cell: s => <Link to={`/clusters/${cluster}/services/${s.serviceName}/health`}>{s.serviceName}</Link>,
            sortingField: 'serviceName',
            isRowHeader: true,
          },
          { id: 'status', header: 'Status', cell: s => <Status of={s.status} />, sortingField: 'status' },
          { id: 'type', header: 'Service type', cell: s => s.schedulingStrategy, sortingField: 'schedulingStrategy' },
          {
            id: 'tasks',
            header: 'Tasks running',
            cell: s => `${s.runningCount} of ${s.desiredCount}${s.pendingCount ? `, ${s.pendingCount} pending` : ''}`,
            sortingField: 'runningCount',
          },
          { id: 'definition', header: 'Task definition', cell: s => shortName(s.taskDefinition) },
          {
            id: 'deployment',
            header: 'Last deployment',
            cell: s => <Status of={s.deployments?.find(d => d.status === 'PRIMARY')?.rolloutState} />,
          },
        ]}
      />
    </>
  )
})
