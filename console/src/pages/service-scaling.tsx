import type { Service } from '@aws-sdk/client-ecs'
import type { ScalingActivity, ScalingPolicy, ScheduledAction } from '@aws-sdk/client-application-auto-scaling'
import Box from '@cloudscape-design/components/box'
import Button from '@cloudscape-design/components/button'
import Container from '@cloudscape-design/components/container'
import Header from '@cloudscape-design/components/header'
import SpaceBetween from '@cloudscape-design/components/space-between'
import { useState } from 'react'

import { metricLabelOf } from '../data/balancers'
import { useLoad } from '../data/load'
import { deletePolicy, deleteSchedule, getScaling, limitsInWords, policyInWords, type Scaling, stopScaling } from '../data/scaling'
import { Confirm } from '../parts/confirm'
import { Facts } from '../parts/facts'
import { useFlash } from '../parts/flash'
import { Link } from '../parts/link'
import { List } from '../parts/list'
import { ErrorAlert } from '../parts/page'
import { LimitsForm, ScheduleForm, TrackingForm } from '../parts/scaling-forms'
import { Since } from '../parts/since'
import { Status } from '../parts/status'

interface PartProps {
  cluster: string
  service: Service
  data: Scaling
}

function Limits({ cluster, service, data }: PartProps) {
  const [doing, setDoing] = useState<'edit' | 'stop'>()
  const { target } = data
  const close = () => setDoing(undefined)
  const name = service.serviceName!
  const suspended = Object.entries(target?.SuspendedState ?? {}).filter(([, on]) => on).map(([what]) => what.replace('Suspended', ''))
  return (
    <Container
      header={
        <Header
          variant="h2"
          actions={
            <SpaceBetween direction="horizontal" size="xs">
              {target && <Button onClick={() => setDoing('stop')}>Stop auto scaling</Button>}
              <Button onClick={() => setDoing('edit')}>{target ? 'Edit limits' : 'Use auto scaling'}</Button>
            </SpaceBetween>
          }
        >
          Service auto scaling
        </Header>
      }
    >
      {target ? (
        <Facts
          items={[
            ['Minimum tasks', target.MinCapacity],
            ['Desired tasks now', service.desiredCount],
            ['Maximum tasks', target.MaxCapacity],
            ['Suspended', suspended.join(', ') || 'nothing'],
          ]}
        />
      ) : (
        <Box>The number of tasks changes only when somebody changes it. With auto scaling, policies and schedules change it within limits.</Box>
      )}
      {doing === 'edit' && (
        <LimitsForm
          cluster={cluster}
          service={name}
          close={close}
          minimum={target?.MinCapacity ?? Math.min(1, service.desiredCount ?? 1)}
          maximum={target?.MaxCapacity ?? Math.max(4, service.desiredCount ?? 1)}
        />
      )}
      {doing === 'stop' && (
        <Confirm title="Stop auto scaling?" action="Stop" close={close} run={() => stopScaling(cluster, name)}>
          The policies and scheduled actions of this service are deleted with it; the number of tasks stays as it is.
        </Confirm>
      )}
    </Container>
  )
}

function Policies({ cluster, service, data }: PartProps) {
  const tell = useFlash()
  const [selected, setSelected] = useState<ScalingPolicy[]>([])
  const [creating, setCreating] = useState(false)
  const group = service.loadBalancers?.[0]?.targetGroupArn
  const { data: label } = useLoad(async () => (group ? metricLabelOf(group) : undefined), [group], () => false)
  const remove = () =>
    deletePolicy(cluster, service.serviceName!, selected[0]!.PolicyName!).then(() => setSelected([]), (e: Error) => tell('error', e.message))
  return (
    <>
      <List<ScalingPolicy>
        title="Scaling policies"
        noun="scaling policy"
        nouns="scaling policies"
        items={data.policies}
        loading={false}
        id={p => p.PolicyName!}
        selected={selected}
        onSelect={setSelected}
        actions={
          <SpaceBetween direction="horizontal" size="xs">
            <Button disabled={selected.length === 0} onClick={() => void remove()}>Delete</Button>
            <Button onClick={() => setCreating(true)}>Create policy</Button>
          </SpaceBetween>
        }
        empty="A policy keeps a metric, for example CPU utilization, at a target by adding and taking away tasks."
        columns={[
          { id: 'name', header: 'Policy', cell: p => p.PolicyName, isRowHeader: true },
          { id: 'type', header: 'Type', cell: p => (p.PolicyType === 'TargetTrackingScaling' ? 'Target tracking' : p.PolicyType === 'StepScaling' ? 'Step scaling' : p.PolicyType) },
          { id: 'what', header: 'What it does', cell: policyInWords },
          { id: 'alarms', header: 'Alarms', cell: p => p.Alarms?.map(alarm => <div key={alarm.AlarmName}><Link to={`/alarms/${encodeURIComponent(alarm.AlarmName!)}`}>{alarm.AlarmName}</Link></div>) ?? '–' },
          { id: 'created', header: 'Created', cell: p => <Since time={p.CreationTime} /> },
        ]}
      />
      {creating && <TrackingForm cluster={cluster} service={service.serviceName!} close={() => setCreating(false)} label={label} />}
    </>
  )
}

function Schedules({ cluster, service, data }: PartProps) {
  const tell = useFlash()
  const [selected, setSelected] = useState<ScheduledAction[]>([])
  const [creating, setCreating] = useState(false)
  const remove = () =>
    deleteSchedule(cluster, service.serviceName!, selected[0]!.ScheduledActionName!).then(() => setSelected([]), (e: Error) => tell('error', e.message))
  return (
    <>
      <List<ScheduledAction>
        title="Scheduled actions"
        noun="scheduled action"
        items={data.actions}
        loading={false}
        id={a => a.ScheduledActionName!}
        selected={selected}
        onSelect={setSelected}
        actions={
          <SpaceBetween direction="horizontal" size="xs">
            <Button disabled={selected.length === 0} onClick={() => void remove()}>Delete</Button>
            <Button onClick={() => setCreating(true)}>Create scheduled action</Button>
          </SpaceBetween>
        }
        empty="A scheduled action changes the limits at a time, for example more tasks on weekday mornings."
        columns={[
          { id: 'name', header: 'Name', cell: a => a.ScheduledActionName, isRowHeader: true },
          { id: 'schedule', header: 'Schedule', cell: a => `${a.Schedule} ${a.Timezone ?? 'UTC'}` },
          { id: 'limits', header: 'Tasks from then on', cell: a => limitsInWords(a.ScalableTargetAction) },
        ]}
      />
      {creating && <ScheduleForm cluster={cluster} service={service.serviceName!} close={() => setCreating(false)} />}
    </>
  )
}

function Activities({ data }: { data: Scaling }) {
  return (
    <List<ScalingActivity>
      title="Activities"
      noun="activity"
      nouns="activities"
      items={data.activities}
      loading={false}
      id={a => a.ActivityId!}
      empty="Nothing has been scaled yet. What policies and schedules do, and what they leave for a reason, is listed here."
      columns={[
        { id: 'time', header: 'When', cell: a => <Since time={a.StartTime} />, isRowHeader: true },
        { id: 'status', header: 'Status', cell: a => <Status of={a.StatusCode} /> },
        { id: 'what', header: 'What', cell: a => a.Description },
        { id: 'why', header: 'Cause', cell: a => a.Cause },
        { id: 'not', header: 'Not done because', cell: a => a.NotScaledReasons?.map(reason => reason.Code).join(', ') ?? '' },
      ]}
    />
  )
}

export function ServiceScaling({ cluster, service }: { cluster: string; service: Service }) {
  const name = service.serviceName!
  const { data, error } = useLoad(
    () => getScaling(cluster, name),
    [cluster, name],
    c => (c.key.startsWith(`service/${cluster}/${name}`) && /^(scal|scheduled)/.test(c.kind)) || c.kind === 'reset',
  )
  if (service.schedulingStrategy === 'DAEMON')
    return <Box>A daemon service runs one task on each container instance: there is no number of tasks to scale.</Box>
  if (!data) return <ErrorAlert error={error} />
  const parts = { cluster, service, data }
  return (
    <SpaceBetween size="l">
      <ErrorAlert error={error} />
      <Limits {...parts} />
      {data.target && <Policies {...parts} />}
      {data.target && <Schedules {...parts} />}
      {(data.target || data.activities.length > 0) && <Activities data={data} />}
    </SpaceBetween>
  )
}
