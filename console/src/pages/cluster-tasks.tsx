import { StopTaskCommand, type Task } from '@aws-sdk/client-ecs'
import Button from '@cloudscape-design/components/button'
import SegmentedControl from '@cloudscape-design/components/segmented-control'
import SpaceBetween from '@cloudscape-design/components/space-between'
import { memo, useState } from 'react'
import { useNavigate } from 'react-router-dom'

import { ecs } from '../aws'
import type { TaskFilter } from '../data/ecs'
import { useTasks } from '../data/live-ecs'
import { shortId, shortName } from '../data/names'
import { Confirm } from '../parts/confirm'
import { useFlash } from '../parts/flash'
import { Link } from '../parts/link'
import { List } from '../parts/list'
import { ErrorAlert } from '../parts/page'
import { Since } from '../parts/since'
import { Status } from '../parts/status'

/** The tasks of a cluster, or of one service or container instance in it. Not drawn again with the page around it, whose counts change. */
export const ClusterTasks = memo(function ClusterTasks(filter: TaskFilter) {
  const tell = useFlash()
  const navigate = useNavigate()
  const [which, setWhich] = useState<'RUNNING' | 'STOPPED' | 'ALL'>('RUNNING')
  const [selected, setSelected] = useState<Task[]>([])
  const [stopping, setStopping] = useState(false)
  const { data, error, loading } = useTasks(filter, which)
  return (
    <>
      <ErrorAlert error={error} />
      <List<Task>
        title="Tasks"
        noun="task"
        items={data}
        loading={loading}
        id={task => task.taskArn!}
        multi
        selected={selected}
        onSelect={setSelected}
        actions={
          <SpaceBetween direction="horizontal" size="xs">
            <Button disabled={selected.length === 0} onClick={() => setStopping(true)}>Stop</Button>
            {!filter.serviceName && <Button onClick={() => navigate(`/clusters/${filter.cluster}/tasks/run`)}>Run new task</Button>}
          </SpaceBetween>
        }
        filters={
          <SegmentedControl
            label="Desired status"
            selectedId={which}
            onChange={event => setWhich(event.detail.selectedId as typeof which)}
            options={[
              { id: 'RUNNING', text: 'Running' },
              { id: 'STOPPED', text: 'Stopped' },
              { id: 'ALL', text: 'All' },
            ]}
          />
        }
        columns={[
          {
            id: 'task',
            header: 'Task',
            cell: t => <Link to={`/clusters/${filter.cluster}/tasks/${shortName(t.taskArn)}`}>{shortId(t.taskArn)}</Link>,
            isRowHeader: true,
          },
          { id: 'status', header: 'Last status', cell: t => <Status of={t.lastStatus} />, sortingField: 'lastStatus' },
          { id: 'health', header: 'Health', cell: t => <Status of={t.healthStatus} />, sortingField: 'healthStatus' },
          { id: 'definition', header: 'Task definition', cell: t => shortName(t.taskDefinitionArn), sortingField: 'taskDefinitionArn' },
          { id: 'group', header: 'Group', cell: t => t.group, sortingField: 'group' },
          { id: 'instance', header: 'Container instance', cell: t => shortId(t.containerInstanceArn) || '–' },
          { id: 'created', header: 'Created', cell: t => <Since time={t.createdAt} />, sortingField: 'createdAt' },
          { id: 'reason', header: 'Stopped because', cell: t => t.stoppedReason ?? '' },
        ]}
      />
      {stopping && (
        <Confirm
          title={selected.length === 1 ? 'Stop this task?' : `Stop ${selected.length} tasks?`}
          action="Stop"
          close={() => setStopping(false)}
          run={async () => {
            for (const task of selected) await ecs().send(new StopTaskCommand({ cluster: filter.cluster, task: task.taskArn }))
            tell('success', selected.length === 1 ? 'The task is stopping.' : `${selected.length} tasks are stopping.`)
            setSelected([])
          }}
        >
          Containers get SIGTERM, and SIGKILL when their stop timeout is over. A service starts others in the place of its own.
        </Confirm>
      )}
    </>
  )
})
