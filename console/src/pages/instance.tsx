import { DescribeContainerInstancesCommand, type Attribute, type ContainerInstance } from '@aws-sdk/client-ecs'
import Container from '@cloudscape-design/components/container'
import Header from '@cloudscape-design/components/header'
import SpaceBetween from '@cloudscape-design/components/space-between'
import Tabs from '@cloudscape-design/components/tabs'
import { useParams } from 'react-router-dom'

import { ecs } from '../aws'
import { attribute } from '../data/instances'
import { useLoad } from '../data/load'
import { shortId } from '../data/names'
import { Arn } from '../parts/arn'
import { Facts } from '../parts/facts'
import { InstanceUse } from '../parts/instance-use'
import { List } from '../parts/list'
import { OwnMetrics } from '../parts/own-metrics'
import { Page } from '../parts/page'
import { Since } from '../parts/since'
import { Status } from '../parts/status'
import { TagTable } from '../parts/tags'
import { ClusterTasks } from './cluster-tasks'

async function getInstance(cluster: string, id: string): Promise<ContainerInstance> {
  const answer = await ecs().send(new DescribeContainerInstancesCommand({ cluster, containerInstances: [id], include: ['TAGS'] }))
  const instance = answer.containerInstances?.[0]
  if (!instance) throw new Error(`There is no container instance ${id} in cluster ${cluster}: it was deregistered.`)
  return instance
}

function Attributes({ attributes }: { attributes: Attribute[] }) {
  return (
    <List<Attribute>
      title="Attributes"
      noun="attribute"
      items={attributes}
      loading={false}
      id={a => a.name!}
      description="Placement constraints choose instances by them."
      columns={[
        { id: 'name', header: 'Name', cell: a => a.name, isRowHeader: true, sortingField: 'name' },
        { id: 'value', header: 'Value', cell: a => a.value ?? '' },
      ]}
    />
  )
}

export default function Instance() {
  const { cluster = '', instance: id = '' } = useParams()
  const { data: instance, error } = useLoad(
    () => getInstance(cluster, id), [cluster, id], c => c.key === `${cluster}/${id}` || c.kind === 'task' || c.kind === 'reset')
  return (
    <Page
      title={`Container instance ${shortId(id)}`}
      crumbs={[
        { text: 'Clusters', href: '/clusters' },
        { text: cluster, href: `/clusters/${cluster}/infrastructure` },
        { text: shortId(id), href: '' },
      ]}
      error={error}
    >
      {instance && (
        <SpaceBetween size="l">
          <Container header={<Header variant="h2">Overview</Header>}>
            <Facts
              items={[
                ['Status', <Status of={instance.status} />],
                ['Agent', <Status of={instance.agentConnected ? 'CONNECTED' : 'DISCONNECTED'} />],
                ['Agent version', instance.versionInfo?.agentVersion],
                ['Registered', <Since time={instance.registeredAt} />],
                ['CPU', <InstanceUse of="CPU" instance={instance} />],
                ['Memory', <InstanceUse of="MEMORY" instance={instance} />],
                ['Zone', attribute(instance, 'ecs.availability-zone')],
                ['Tasks', `${instance.runningTasksCount} running, ${instance.pendingTasksCount} pending`],
                ['Capacity provider', instance.capacityProviderName],
                ['EC2 instance', instance.ec2InstanceId],
                ['ARN', <Arn of={instance.containerInstanceArn} />],
              ]}
            />
          </Container>
          <Tabs
            ariaLabel="Parts of the container instance"
            tabs={[
              { id: 'tasks', label: 'Tasks', content: <ClusterTasks cluster={cluster} containerInstance={instance.containerInstanceArn} /> },
              {
                id: 'metrics',
                label: 'Metrics',
                content: (
                  <OwnMetrics cluster={cluster} dimension="ContainerInstanceId" id={id}>
                    This instance's agent reports nothing of the machine itself; what its tasks use is in the metrics of their services.
                  </OwnMetrics>
                ),
              },
              { id: 'attributes', label: 'Attributes', content: <Attributes attributes={instance.attributes ?? []} /> },
              { id: 'tags', label: 'Tags', content: <TagTable arn={instance.containerInstanceArn} tags={instance.tags} /> },
            ]}
          />
        </SpaceBetween>
      )}
    </Page>
  )
}
