// The cluster as a picture: a box for each node, a square for each of its tasks. Squares come, change colour and go.
import type { ContainerInstance, Task } from '@aws-sdk/client-ecs'
import Box from '@cloudscape-design/components/box'
import Container from '@cloudscape-design/components/container'
import Header from '@cloudscape-design/components/header'
import SpaceBetween from '@cloudscape-design/components/space-between'

import { attribute } from '../data/instances'
import { shortId } from '../data/names'
import { TaskSquare } from './rollout'
import { Status } from './status'

// More squares than that say nothing, and cost.
const MOST = 200

function Node({ title, status, tasks, cluster }: { title: string; status: string | undefined; tasks: Task[]; cluster: string }) {
  return (
    <div className="node">
      <SpaceBetween direction="horizontal" size="xs">
        <Box variant="strong">{title}</Box>
        {status && <Status of={status} />}
      </SpaceBetween>
      <div className="squares">{tasks.slice(0, MOST).map(task => <TaskSquare key={task.taskArn} task={task} cluster={cluster} />)}</div>
      <Box variant="small">{tasks.length > MOST ? `${tasks.length} tasks, the newest ${MOST} shown` : tasks.length === 1 ? '1 task' : `${tasks.length} tasks`}</Box>
    </div>
  )
}

export function Picture({ cluster, instances, tasks }: { cluster: string; instances: ContainerInstance[]; tasks: Task[] }) {
  const live = tasks.filter(task => task.lastStatus !== 'STOPPED')
  const elsewhere = live.filter(task => !instances.some(i => i.containerInstanceArn === task.containerInstanceArn))
  const zones = [...new Set(instances.map(i => attribute(i, 'ecs.availability-zone') ?? ''))].sort()
  return (
    <Container header={<Header variant="h2" description="Each square is a task: green runs, blue starts, yellow stops, red is unhealthy.">Where the tasks are</Header>}>
      <SpaceBetween size="m">
        {zones.map(zone => (
          <div key={zone}>
            <Box variant="h4">{zone || 'no zone'}</Box>
            <div className="nodes">
              {instances
                .filter(i => (attribute(i, 'ecs.availability-zone') ?? '') === zone)
                .map(i => (
                  <Node
                    key={i.containerInstanceArn}
                    cluster={cluster}
                    title={shortId(i.containerInstanceArn)}
                    status={i.agentConnected ? i.status : 'DISCONNECTED'}
                    tasks={live.filter(task => task.containerInstanceArn === i.containerInstanceArn)}
                  />
                ))}
            </div>
          </div>
        ))}
        {elsewhere.length > 0 && <Node cluster={cluster} title="Fargate" status={undefined} tasks={elsewhere} />}
        {zones.length === 0 && elsewhere.length === 0 && <Box>There is neither a node nor a task yet.</Box>}
      </SpaceBetween>
    </Container>
  )
}
