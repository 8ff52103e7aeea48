import { DeleteClusterCommand, type Cluster as EcsCluster } from '@aws-sdk/client-ecs'
import Button from '@cloudscape-design/components/button'
import Container from '@cloudscape-design/components/container'
import Header from '@cloudscape-design/components/header'
import SpaceBetween from '@cloudscape-design/components/space-between'
import Tabs from '@cloudscape-design/components/tabs'
import { useState } from 'react'
import { useNavigate, useParams } from 'react-router-dom'

import { ecs } from '../aws'
import { getCluster } from '../data/ecs'
import { useLoad } from '../data/load'
import { Arn } from '../parts/arn'
import { Charts } from '../parts/charts'
import { Confirm } from '../parts/confirm'
import { Facts } from '../parts/facts'
import { useFlash } from '../parts/flash'
import { clusterPanels } from '../parts/metric-panels'
import { Page } from '../parts/page'
import { Status } from '../parts/status'
import { TagTable } from '../parts/tags'
import { Infrastructure } from './cluster-infrastructure'
import { ClusterSchedules } from './cluster-schedules'
import { ClusterServices } from './cluster-services'
import { ClusterTasks } from './cluster-tasks'
import { ClusterUpdate } from './cluster-update'

function Overview({ cluster }: { cluster: EcsCluster }) {
  return (
    <Container header={<Header variant="h2">Cluster overview</Header>}>
      <Facts
        items={[
          ['Status', <Status of={cluster.status} />],
          ['Services', cluster.activeServicesCount],
          ['Tasks', `${cluster.runningTasksCount} running, ${cluster.pendingTasksCount} pending`],
          ['Container instances', cluster.registeredContainerInstancesCount],
          ['Container Insights', cluster.settings?.find(s => s.name === 'containerInsights')?.value],
          ['ARN', <Arn of={cluster.clusterArn} />],
        ]}
      />
    </Container>
  )
}

export default function Cluster() {
  const { cluster: name = '', tab = 'services' } = useParams()
  const navigate = useNavigate()
  const tell = useFlash()
  const [doing, setDoing] = useState<'update' | 'delete'>()
  const close = () => setDoing(undefined)
  const { data: cluster, error } = useLoad(() => getCluster(name), [name])

  return (
    <Page
      title={name}
      crumbs={[{ text: 'Clusters', href: '/clusters' }, { text: name, href: `/clusters/${name}` }]}
      error={error}
      actions={
        <SpaceBetween direction="horizontal" size="xs">
          <Button disabled={!cluster} onClick={() => setDoing('update')}>Update cluster</Button>
          <Button onClick={() => setDoing('delete')}>Delete cluster</Button>
        </SpaceBetween>
      }
    >
      <SpaceBetween size="l">
        {cluster && <Overview cluster={cluster} />}
        <Tabs
          ariaLabel="Parts of the cluster"
          activeTabId={tab}
          onChange={event => navigate(`/clusters/${name}/${event.detail.activeTabId}`)}
          tabs={[
            { id: 'services', label: 'Services', content: <ClusterServices cluster={name} /> },
            { id: 'tasks', label: 'Tasks', content: <ClusterTasks cluster={name} /> },
            { id: 'infrastructure', label: 'Infrastructure', content: <Infrastructure cluster={name} /> },
            { id: 'schedules', label: 'Scheduled actions', content: <ClusterSchedules cluster={name} /> },
            { id: 'metrics', label: 'Metrics', content: <Charts panels={clusterPanels(name)} /> },
            { id: 'tags', label: 'Tags', content: <TagTable arn={cluster?.clusterArn} tags={cluster?.tags} /> },
          ]}
        />
      </SpaceBetween>
      {doing === 'update' && cluster && <ClusterUpdate cluster={cluster} close={close} />}
      {doing === 'delete' && (
        <Confirm
          title={`Delete cluster ${name}?`}
          action="Delete"
          close={close}
          run={async () => {
            await ecs().send(new DeleteClusterCommand({ cluster: name }))
            tell('success', `Cluster ${name} is deleted.`)
            navigate('/clusters')
          }}
        >
          Its services, tasks and container instances have to be gone first.
        </Confirm>
      )}
    </Page>
  )
}
