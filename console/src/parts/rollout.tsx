// A deployment as one sees it happen: a square for each task, old ones beside new ones.
import type { Deployment, Service, Task } from '@aws-sdk/client-ecs'
import Box from '@cloudscape-design/components/box'
import ProgressBar from '@cloudscape-design/components/progress-bar'
import SpaceBetween from '@cloudscape-design/components/space-between'
import { useNavigate } from 'react-router-dom'

import { shortId, shortName } from '../data/names'
import { Status } from './status'

/** One task as a square that leads to it. Its colour is its state; its title says everything. */
export function TaskSquare({ task, cluster }: { task: Task; cluster: string }) {
  const navigate = useNavigate()
  const state = task.healthStatus === 'UNHEALTHY' ? 'UNHEALTHY' : (task.lastStatus ?? '')
  const say = `${shortId(task.taskArn)}, ${shortName(task.taskDefinitionArn)}, ${state.toLowerCase()}`
  return (
    <button
      type="button"
      className={`square square-${state.toLowerCase()}`}
      title={say}
      aria-label={`Task ${say}`}
      onClick={() => navigate(`/clusters/${cluster}/tasks/${shortName(task.taskArn)}`)}
    />
  )
}

function DeploymentRow({ deployment, tasks, cluster }: { deployment: Deployment; tasks: Task[]; cluster: string }) {
  const wanted = deployment.desiredCount ?? 0
  const running = deployment.runningCount ?? 0
  return (
    <div>
      <SpaceBetween direction="horizontal" size="m">
        <Box variant="strong">{shortName(deployment.taskDefinition)}</Box>
        <Box>{deployment.status === 'PRIMARY' ? 'new' : 'being replaced'}</Box>
        <Status of={deployment.rolloutState} />
        {!!deployment.failedTasks && <Box color="text-status-error">{`${deployment.failedTasks} failed`}</Box>}
      </SpaceBetween>
      <ProgressBar
        value={wanted > 0 ? Math.min(100, (100 * running) / wanted) : 100}
        description={deployment.rolloutStateReason}
        additionalInfo={`${running} of ${wanted} running, ${deployment.pendingCount ?? 0} pending`}
        ariaLabel={`Tasks of ${shortName(deployment.taskDefinition)}`}
      />
      <div className="squares">{tasks.map(task => <TaskSquare key={task.taskArn} task={task} cluster={cluster} />)}</div>
    </div>
  )
}

export function Rollout({ service, tasks, cluster }: { service: Service; tasks: Task[]; cluster: string }) {
  return (
    <SpaceBetween size="l">
      {(service.deployments ?? []).map(deployment => (
        <DeploymentRow
          key={deployment.id}
          deployment={deployment}
          cluster={cluster}
          tasks={tasks.filter(task => task.startedBy === deployment.id && task.lastStatus !== 'STOPPED')}
        />
      ))}
    </SpaceBetween>
  )
}
