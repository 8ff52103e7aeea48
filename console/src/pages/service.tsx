import { DeleteServiceCommand, UpdateServiceCommand, type Service as EcsService, type ServiceEvent } from '@aws-sdk/client-ecs'
import Button from '@cloudscape-design/components/button'
import Container from '@cloudscape-design/components/container'
import Header from '@cloudscape-design/components/header'
import SpaceBetween from '@cloudscape-design/components/space-between'
import Tabs from '@cloudscape-design/components/tabs'
import { useState } from 'react'
import { useNavigate, useParams } from 'react-router-dom'

import { ecs } from '../aws'
import { getService, getTaskDefinition } from '../data/ecs'
import { useTasks } from '../data/live-ecs'
import { useLoad } from '../data/load'
import { shortName } from '../data/names'
import { asJson } from '../data/show'
import { Arn } from '../parts/arn'
import { Charts } from '../parts/charts'
import { Code } from '../parts/code'
import { Confirm } from '../parts/confirm'
import { Facts } from '../parts/facts'
import { useFlash } from '../parts/flash'
import { Link } from '../parts/link'
import { List } from '../parts/list'
import { LogView } from '../parts/logs'
import { servicePanels } from '../parts/metric-panels'
import { ErrorAlert, Page } from '../parts/page'
import { Rollout } from '../parts/rollout'
import { Since } from '../parts/since'
import { Status } from '../parts/status'
import { TagTable } from '../parts/tags'
import { ClusterTasks } from './cluster-tasks'
import { ServiceDeployments } from './service-deployments'
import { ServiceNetwork } from './service-network'
import { ServiceScaling } from './service-scaling'
import { ServiceUpdate } from './service-update'

function Health({ service, cluster }: { service: EcsService; cluster: string }) {
  const { data: tasks, error } = useTasks({ cluster, serviceName: service.serviceName }, 'LIVE')
  return (
    <SpaceBetween size="l">
      <Container header={<Header variant="h2">Deployments and tasks</Header>}>
        <ErrorAlert error={error} />
        <Rollout service={service} tasks={tasks ?? []} cluster={cluster} />
      </Container>
      <Charts panels={servicePanels(cluster, service.serviceName!)} />
    </SpaceBetween>
  )
}

function Events({ service }: { service: EcsService }) {
  return (
    <List<ServiceEvent>
      title="Events"
      noun="event"
      items={service.events ?? []}
      loading={false}
      id={event => event.id!}
      description="The newest hundred."
      columns={[
        { id: 'time', header: 'When', cell: e => <Since time={e.createdAt} />, width: 140 },
        { id: 'message', header: 'Message', cell: e => e.message, isRowHeader: true },
      ]}
      wrapLines
    />
  )
}

function Logs({ service }: { service: EcsService }) {
  const { data: definition } = useLoad(() => getTaskDefinition(service.taskDefinition!), [service.taskDefinition], () => false)
  const group = definition?.containerDefinitions?.map(c => c.logConfiguration?.options?.['awslogs-group']).find(Boolean)
  if (!definition) return null
  return group ? <LogView group={group} /> : <>No container of this service sends its log to awslogs.</>
}

function Configuration({ service }: { service: EcsService }) {
  return (
    <SpaceBetween size="l">
      <ServiceNetwork service={service} />
      <Container header={<Header variant="h2" description="As DescribeServices answers.">Configuration</Header>}>
        <Code label="Service" text={asJson({ ...service, events: undefined })} />
      </Container>
    </SpaceBetween>
  )
}

export default function Service() {
  const { cluster = '', service: name = '', tab = 'health' } = useParams()
  const navigate = useNavigate()
  const tell = useFlash()
  const [doing, setDoing] = useState<'update' | 'delete' | 'redeploy'>()
  const { data: service, error } = useLoad(
    () => getService(cluster, name),
    [cluster, name],
    c => (c.key.startsWith(`${cluster}/`) && (c.service === name || c.key === `${cluster}/${name}`)) || c.kind === 'reset',
  )
  const active = service?.status === 'ACTIVE'
  const close = () => setDoing(undefined)
  return (
    <Page
      title={name}
      crumbs={[
        { text: 'Clusters', href: '/clusters' },
        { text: cluster, href: `/clusters/${cluster}/services` },
        { text: name, href: '' },
      ]}
      error={error}
      actions={
        <SpaceBetween direction="horizontal" size="xs">
          <Button disabled={!active} onClick={() => setDoing('redeploy')}>Force new deployment</Button>
          <Button disabled={!active} onClick={() => setDoing('delete')}>Delete</Button>
          <Button variant="primary" disabled={!active} onClick={() => setDoing('update')}>Update service</Button>
        </SpaceBetween>
      }
    >
      {service && (
        <SpaceBetween size="l">
          <Container header={<Header variant="h2">Status</Header>}>
            <Facts
              items={[
                ['Status', <Status of={service.status} />],
                ['Tasks', `${service.runningCount} of ${service.desiredCount} running, ${service.pendingCount} pending`],
                [
                  'Task definition',
                  <Link to={`/task-definitions/${shortName(service.taskDefinition).replace(':', '/')}`}>{shortName(service.taskDefinition)}</Link>,
                ],
                ['Deployment', <Status of={service.deployments?.find(d => d.status === 'PRIMARY')?.rolloutState} />],
                ['Launch type', service.launchType],
                ['Service type', service.schedulingStrategy],
                ['Created', <Since time={service.createdAt} />],
                ['ARN', <Arn of={service.serviceArn} />],
              ]}
            />
          </Container>
          <Tabs
            ariaLabel="Parts of the service"
            activeTabId={tab}
            onChange={event => navigate(`/clusters/${cluster}/services/${name}/${event.detail.activeTabId}`)}
            tabs={[
              { id: 'health', label: 'Health and metrics', content: <Health service={service} cluster={cluster} /> },
              { id: 'tasks', label: 'Tasks', content: <ClusterTasks cluster={cluster} serviceName={name} /> },
              { id: 'logs', label: 'Logs', content: <Logs service={service} /> },
              { id: 'deployments', label: 'Deployments', content: <ServiceDeployments cluster={cluster} service={name} /> },
              { id: 'scaling', label: 'Auto scaling', content: <ServiceScaling cluster={cluster} service={service} /> },
              { id: 'events', label: 'Events', content: <Events service={service} /> },
              { id: 'configuration', label: 'Configuration and networking', content: <Configuration service={service} /> },
              { id: 'tags', label: 'Tags', content: <TagTable arn={service.serviceArn} tags={service.tags} /> },
            ]}
          />
        </SpaceBetween>
      )}
      {doing === 'update' && service && <ServiceUpdate cluster={cluster} service={service} close={close} />}
      {doing === 'redeploy' && (
        <Confirm
          title="Force a new deployment?"
          action="Deploy"
          close={close}
          run={async () => {
            await ecs().send(new UpdateServiceCommand({ cluster, service: name, forceNewDeployment: true }))
            tell('success', 'A new deployment has begun.')
          }}
        >
          All tasks are replaced, a few at a time, by tasks of the same task definition; tags of images are looked up anew.
        </Confirm>
      )}
      {doing === 'delete' && (
        <Confirm
          title={`Delete service ${name}?`}
          action="Delete"
          close={close}
          run={async () => {
            await ecs().send(new DeleteServiceCommand({ cluster, service: name, force: true }))
            tell('success', `Service ${name} is being deleted; its tasks are stopping.`)
            navigate(`/clusters/${cluster}/services`)
          }}
        >
          Its tasks are stopped. Its task definition, balancer and security groups stay.
        </Confirm>
      )}
    </Page>
  )
}
