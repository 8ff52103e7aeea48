import type { Activity, AutoScalingGroup, Instance } from '@aws-sdk/client-auto-scaling'
import Button from '@cloudscape-design/components/button'
import Checkbox from '@cloudscape-design/components/checkbox'
import Container from '@cloudscape-design/components/container'
import Header from '@cloudscape-design/components/header'
import SpaceBetween from '@cloudscape-design/components/space-between'
import { useState } from 'react'
import { useParams } from 'react-router-dom'

import { useLoad } from '../data/load'
import { getGroup, listGroupActivities, resizeGroup, sizeProblems, templateOf, terminateMachine } from '../data/scaling-groups'
import { hasProblem } from '../data/scaling'
import { Arn } from '../parts/arn'
import { Confirm } from '../parts/confirm'
import { Facts } from '../parts/facts'
import { TextField } from '../parts/fields'
import { useFlash } from '../parts/flash'
import { List } from '../parts/list'
import { Page } from '../parts/page'
import { Since } from '../parts/since'
import { Status } from '../parts/status'

async function getAll(name: string) {
  const [group, activities] = await Promise.all([getGroup(name), listGroupActivities(name)])
  return { group, activities }
}

function SizeForm({ group, close }: { group: AutoScalingGroup; close: () => void }) {
  const [draft, setDraft] = useState({ minimum: String(group.MinSize), desired: String(group.DesiredCapacity), maximum: String(group.MaxSize) })
  const problems = sizeProblems(draft)
  return (
    <Confirm
      title={`Size of ${group.AutoScalingGroupName}`}
      action="Update"
      close={close}
      invalid={hasProblem(problems)}
      run={() => resizeGroup(group.AutoScalingGroupName!, draft)}
    >
      <TextField label="Minimum" value={draft.minimum} onChange={minimum => setDraft({ ...draft, minimum })} problem={problems.minimum} inputMode="numeric" autoFocus />
      <TextField label="Desired" value={draft.desired} onChange={desired => setDraft({ ...draft, desired })} problem={problems.desired} inputMode="numeric" hint="Capacity providers with managed scaling change it by themselves." />
      <TextField label="Maximum" value={draft.maximum} onChange={maximum => setDraft({ ...draft, maximum })} problem={problems.maximum} inputMode="numeric" />
    </Confirm>
  )
}

function Terminate({ machine, close }: { machine: Instance; close: () => void }) {
  const tell = useFlash()
  const [smaller, setSmaller] = useState(false)
  return (
    <Confirm
      title={`Terminate ${machine.InstanceId}?`}
      action="Terminate"
      close={close}
      run={async () => {
        await terminateMachine(machine.InstanceId!, smaller)
        tell('success', `${machine.InstanceId} is being terminated.`)
      }}
    >
      Services start its tasks elsewhere; with managed draining, before it goes.
      <Checkbox checked={smaller} onChange={event => setSmaller(event.detail.checked)}>Make the group smaller: nothing comes in its place</Checkbox>
    </Confirm>
  )
}

function Machines({ group }: { group: AutoScalingGroup }) {
  const [selected, setSelected] = useState<Instance[]>([])
  const [terminating, setTerminating] = useState(false)
  return (
    <>
      <List<Instance>
        title="Machines"
        noun="machine"
        items={group.Instances ?? []}
        loading={false}
        id={m => m.InstanceId!}
        selected={selected}
        onSelect={setSelected}
        actions={<Button disabled={selected.length === 0} onClick={() => setTerminating(true)}>Terminate</Button>}
        empty="None is wanted at the moment, or none could be made: the activities say why."
        columns={[
          { id: 'id', header: 'Machine', cell: m => m.InstanceId, isRowHeader: true },
          { id: 'state', header: 'State', cell: m => m.LifecycleState, sortingField: 'LifecycleState' },
          { id: 'health', header: 'Health', cell: m => <Status of={m.HealthStatus?.toUpperCase()} />, sortingField: 'HealthStatus' },
          { id: 'type', header: 'Type', cell: m => m.InstanceType },
          { id: 'zone', header: 'Zone', cell: m => m.AvailabilityZone },
          { id: 'protected', header: 'Protected from scale-in', cell: m => (m.ProtectedFromScaleIn ? 'Yes' : 'No') },
        ]}
      />
      {terminating && selected[0] && (
        <Terminate
          machine={selected[0]}
          close={() => {
            setTerminating(false)
            setSelected([])
          }}
        />
      )}
    </>
  )
}

function Activities({ items }: { items: Activity[] }) {
  return (
    <List<Activity>
      title="Activities"
      noun="activity"
      nouns="activities"
      items={items}
      loading={false}
      id={a => a.ActivityId!}
      description="What the group did and why, the newest hundred."
      columns={[
        { id: 'when', header: 'When', cell: a => <Since time={a.StartTime} />, isRowHeader: true },
        { id: 'status', header: 'Status', cell: a => <Status of={a.StatusCode} /> },
        { id: 'what', header: 'What', cell: a => a.Description },
        { id: 'why', header: 'Cause', cell: a => a.Cause },
        { id: 'not', header: 'What went wrong', cell: a => a.StatusMessage ?? '' },
      ]}
      wrapLines
    />
  )
}

export default function ScalingGroup() {
  const { name = '' } = useParams()
  const [resizing, setResizing] = useState(false)
  const { data, error } = useLoad(() => getAll(name), [name], c => ['auto-scaling-group', 'machine', 'group-activity', 'reset'].includes(c.kind))
  const group = data?.group
  return (
    <Page
      title={name}
      crumbs={[{ text: 'Auto Scaling groups', href: '/scaling-groups' }, { text: name, href: '' }]}
      error={error}
      actions={<Button variant="primary" disabled={!group} onClick={() => setResizing(true)}>Edit size</Button>}
    >
      {data && group && (
        <SpaceBetween size="l">
          <Container header={<Header variant="h2">Details</Header>}>
            <Facts
              items={[
                ['Machines', `${group.Instances?.length ?? 0} of ${group.DesiredCapacity}`],
                ['Minimum and maximum', `${group.MinSize} to ${group.MaxSize}`],
                ['Made from', templateOf(group)],
                ['Zones', group.AvailabilityZones?.join(', ')],
                ['Health check', `${group.HealthCheckType}, ${group.HealthCheckGracePeriod ?? 0} s after the start`],
                ['Suspended', group.SuspendedProcesses?.map(p => p.ProcessName).join(', ') || 'nothing'],
                ['Created', <Since time={group.CreatedTime} />],
                ['ARN', <Arn of={group.AutoScalingGroupARN} />],
              ]}
            />
          </Container>
          <Machines group={group} />
          <Activities items={data.activities} />
        </SpaceBetween>
      )}
      {resizing && group && <SizeForm group={group} close={() => setResizing(false)} />}
    </Page>
  )
}
