import { StopTaskCommand, type Container as EcsContainer, type Task as EcsTask } from '@aws-sdk/client-ecs'
import Alert from '@cloudscape-design/components/alert'
import Box from '@cloudscape-design/components/box'
import Button from '@cloudscape-design/components/button'
import Container from '@cloudscape-design/components/container'
import Header from '@cloudscape-design/components/header'
import Link from '@cloudscape-design/components/link'
import SpaceBetween from '@cloudscape-design/components/space-between'
import Table from '@cloudscape-design/components/table'
import Tabs from '@cloudscape-design/components/tabs'
import { useState } from 'react'
import { useParams } from 'react-router-dom'

import { ecs } from '../aws'
import { getTask, getTaskDefinition } from '../data/ecs'
import { useLoad } from '../data/load'
import { shortId, shortName, vcpus } from '../data/names'
import { advice } from '../data/stopped'
import { Arn } from '../parts/arn'
import { Charts } from '../parts/charts'
import { Confirm } from '../parts/confirm'
import { Facts } from '../parts/facts'
import { TextField } from '../parts/fields'
import { Link as AppLink } from '../parts/link'
import { TaskLogs } from '../parts/logs'
import { servicePanels } from '../parts/metric-panels'
import { OwnMetrics } from '../parts/own-metrics'
import { Page } from '../parts/page'
import { Since } from '../parts/since'
import { Status } from '../parts/status'
import { TagTable } from '../parts/tags'
import { Timeline } from '../parts/timeline'
import { TaskConfiguration } from './task-configuration'

/** Where a container answers, as the browser would open it when it runs on the same machine. */
function bindings(container: EcsContainer) {
  const own = container.networkInterfaces?.[0]?.privateIpv4Address
  if (own) return `at ${own}`
  return (container.networkBindings ?? []).map(b => {
    const host = b.bindIP === '0.0.0.0' || !b.bindIP ? window.location.hostname : b.bindIP
    return (
      <div key={`${b.hostPort}/${b.protocol}`}>
        <Link external href={`http://${host}:${b.hostPort}/`}>{`${host}:${b.hostPort}`}</Link> → {b.containerPort}/{b.protocol}
      </div>
    )
  })
}

function Containers({ task }: { task: EcsTask }) {
  return (
    <Table
      header={<Header variant="h2" counter={`(${task.containers?.length ?? 0})`}>Containers</Header>}
      items={task.containers ?? []}
      ariaLabels={{ tableLabel: 'Containers' }}
      columnDefinitions={[
        { id: 'name', header: 'Name', cell: c => c.name, isRowHeader: true },
        { id: 'status', header: 'Status', cell: c => <Status of={c.lastStatus} /> },
        { id: 'health', header: 'Health', cell: c => <Status of={c.healthStatus} /> },
        { id: 'exit', header: 'Exit code', cell: c => c.exitCode ?? '–' },
        { id: 'ports', header: 'Ports', cell: bindings },
        { id: 'image', header: 'Image', cell: c => c.image },
        { id: 'digest', header: 'Digest', cell: c => c.imageDigest?.slice(0, 19) ?? '–' },
        { id: 'reason', header: 'Reason', cell: c => c.reason ?? '' },
      ]}
    />
  )
}

function TaskMetrics({ cluster, task }: { cluster: string; task: EcsTask }) {
  const service = task.group?.match(/^service:(.*)/)?.[1]
  const own = (
    <OwnMetrics cluster={cluster} dimension="TaskId" id={shortName(task.taskArn)}>
      Nothing was measured of this task by itself{service ? '; what the tasks of its service use together is below.' : '.'}
    </OwnMetrics>
  )
  if (!service) return own
  return (
    <SpaceBetween size="l">
      {own}
      <Charts title={`Service ${service}`} panels={servicePanels(cluster, service)} />
    </SpaceBetween>
  )
}

function Why({ task }: { task: EcsTask }) {
  if (!task.stoppedReason) return null
  const failed = task.stopCode === 'TaskFailedToStart' || task.containers?.some(c => c.exitCode)
  return (
    <Alert type={failed ? 'error' : 'info'} header={task.stoppedReason}>
      {advice(task)}
    </Alert>
  )
}

export default function Task() {
  const { cluster = '', task: id = '' } = useParams()
  const [stopping, setStopping] = useState(false)
  const [reason, setReason] = useState('')
  const { data: task, error } = useLoad(() => getTask(cluster, id), [cluster, id], c => c.key === `${cluster}/${id}` || c.kind === 'reset')
  const { data: definition } = useLoad(
    async () => (task?.taskDefinitionArn ? getTaskDefinition(task.taskDefinitionArn) : undefined), [task?.taskDefinitionArn], () => false)
  return (
    <Page
      title={`Task ${shortId(id)}`}
      crumbs={[
        { text: 'Clusters', href: '/clusters' },
        { text: cluster, href: `/clusters/${cluster}/tasks` },
        { text: shortId(id), href: '' },
      ]}
      error={error}
      actions={<Button disabled={task?.desiredStatus !== 'RUNNING'} onClick={() => setStopping(true)}>Stop</Button>}
    >
      {task && (
        <SpaceBetween size="l">
          <Why task={task} />
          <Container header={<Header variant="h2">Overview</Header>}>
            <SpaceBetween size="l">
              <Facts
                items={[
                  ['Last status', <Status of={task.lastStatus} />],
                  ['Desired status', <Status of={task.desiredStatus} />],
                  ['Health', <Status of={task.healthStatus} />],
                  ['Created', <Since time={task.createdAt} />],
                  ['Task definition', <AppLink to={`/task-definitions/${shortName(task.taskDefinitionArn).replace(':', '/')}`}>{shortName(task.taskDefinitionArn)}</AppLink>],
                  ['Launch type', task.launchType],
                  ['Group', task.group],
                  ['Container instance', task.containerInstanceArn && task.launchType !== 'FARGATE' ? <AppLink to={`/clusters/${cluster}/instances/${shortName(task.containerInstanceArn)}`}>{shortId(task.containerInstanceArn)}</AppLink> : undefined],
                  ['CPU', vcpus(Number(task.cpu ?? 0))],
                  ['Memory', `${task.memory ?? 0} MiB`],
                  ['Started by', task.startedBy],
                  ['ARN', <Arn of={task.taskArn} />],
                ]}
              />
              <Timeline task={task} />
            </SpaceBetween>
          </Container>
          <Tabs
            ariaLabel="Parts of the task"
            tabs={[
              { id: 'containers', label: 'Containers', content: <Containers task={task} /> },
              { id: 'logs', label: 'Logs', content: definition ? <TaskLogs task={task} definition={definition} /> : <Box>–</Box> },
              { id: 'configuration', label: 'Configuration', content: definition ? <TaskConfiguration task={task} definition={definition} /> : <Box>–</Box> },
              { id: 'metrics', label: 'Metrics', content: <TaskMetrics cluster={cluster} task={task} /> },
              { id: 'tags', label: 'Tags', content: <TagTable arn={task.taskArn} tags={task.tags} /> },
            ]}
          />
        </SpaceBetween>
      )}
      {stopping && (
        <Confirm
          title="Stop this task?"
          action="Stop"
          close={() => setStopping(false)}
          run={async () => {
            await ecs().send(new StopTaskCommand({ cluster, task: id, reason: reason || undefined }))
          }}
        >
          Containers get SIGTERM, and SIGKILL when their stop timeout is over.
          <TextField label="Reason" value={reason} onChange={setReason} hint="Shown as why it stopped; may be empty." />
        </Confirm>
      )}
    </Page>
  )
}
