// What auto scaling of a service asks for: limits, a policy that tracks a target, a schedule.
import Checkbox from '@cloudscape-design/components/checkbox'
import ColumnLayout from '@cloudscape-design/components/column-layout'
import { useState } from 'react'

import {
  hasProblem, limitsProblems, newSchedule, newTracking, putPolicy, putSchedule, scheduleProblems, scheduleRequest, setLimits, type TrackedMetric, trackedMetrics,
  trackingProblems, trackingRequest,
} from '../data/scaling'
import { Confirm } from './confirm'
import { ChoiceField, TextField } from './fields'
import { ShowAs } from './show-as'

interface FormProps {
  cluster: string
  service: string
  close: () => void
}

export function LimitsForm({ cluster, service, close, minimum, maximum }: FormProps & { minimum: number; maximum: number }) {
  const [draft, setDraft] = useState({ minimum: String(minimum), maximum: String(maximum) })
  const problems = limitsProblems(draft)
  return (
    <Confirm title="Limits of auto scaling" action="Save" close={close} invalid={hasProblem(problems)} run={() => setLimits(cluster, service, draft)}>
      <ColumnLayout columns={2}>
        <TextField label="Minimum tasks" value={draft.minimum} onChange={minimum => setDraft({ ...draft, minimum })} problem={problems.minimum} inputMode="numeric" autoFocus />
        <TextField label="Maximum tasks" value={draft.maximum} onChange={maximum => setDraft({ ...draft, maximum })} problem={problems.maximum} inputMode="numeric" />
      </ColumnLayout>
      A service outside of these limits is brought inside at once.
    </Confirm>
  )
}

/** `label` names the balancer's target group in metrics; without one requests cannot be tracked. */
export function TrackingForm({ cluster, service, close, label }: FormProps & { label: string | undefined }) {
  const [draft, setDraft] = useState({ ...newTracking, name: `${service.slice(0, 240)}-cpu` })
  const set = (change: Partial<typeof draft>) => setDraft({ ...draft, ...change })
  const problems = trackingProblems(draft)
  const request = trackingRequest(cluster, service, draft, label)
  return (
    <Confirm title="Create target tracking policy" action="Create" close={close} invalid={hasProblem(problems)} run={() => putPolicy(request)}>
      <TextField label="Policy name" value={draft.name} onChange={name => set({ name })} problem={problems.name} autoFocus />
      <ChoiceField
        label="Metric"
        value={draft.metric}
        onChange={metric => set({ metric: metric as TrackedMetric })}
        options={Object.entries(trackedMetrics).map(([value, text]) => ({ value, label: text, disabled: value === 'ALBRequestCountPerTarget' && !label }))}
        hint={label ? undefined : 'Requests can be tracked when the service has an application load balancer.'}
      />
      <TextField label="Target value" value={draft.target} onChange={target => set({ target })} problem={problems.target} inputMode="decimal" hint="Tasks are added above it and taken away below it." />
      <ColumnLayout columns={2}>
        <TextField label="Scale-out cooldown (s)" value={draft.scaleOutCooldown} onChange={scaleOutCooldown => set({ scaleOutCooldown })} problem={problems.scaleOutCooldown} inputMode="numeric" />
        <TextField label="Scale-in cooldown (s)" value={draft.scaleInCooldown} onChange={scaleInCooldown => set({ scaleInCooldown })} problem={problems.scaleInCooldown} inputMode="numeric" />
      </ColumnLayout>
      <Checkbox checked={draft.disableScaleIn} onChange={e => set({ disableScaleIn: e.detail.checked })}>Never take tasks away</Checkbox>
      <ShowAs service="application-autoscaling" operation="put-scaling-policy" request={request} />
    </Confirm>
  )
}

export function ScheduleForm({ cluster, service, close }: FormProps) {
  const [draft, setDraft] = useState({ ...newSchedule, name: 'morning', minimum: '2' })
  const set = (change: Partial<typeof draft>) => setDraft({ ...draft, ...change })
  const problems = scheduleProblems(draft)
  const request = scheduleRequest(cluster, service, draft)
  return (
    <Confirm title="Create scheduled action" action="Create" close={close} invalid={hasProblem(problems)} run={() => putSchedule(request)}>
      <TextField label="Name" value={draft.name} onChange={name => set({ name })} problem={problems.name} autoFocus />
      <TextField label="Schedule" value={draft.schedule} onChange={schedule => set({ schedule })} problem={problems.schedule} hint="at(2030-01-31T08:00:00), rate(5 minutes) or cron(0 8 ? * MON-FRI *)." />
      <TextField label="Time zone" value={draft.zone} onChange={zone => set({ zone })} problem={problems.zone} placeholder="UTC" />
      <ColumnLayout columns={2}>
        <TextField label="Minimum tasks" value={draft.minimum} onChange={minimum => set({ minimum })} problem={problems.minimum} inputMode="numeric" hint="From then on; empty: as it was." />
        <TextField label="Maximum tasks" value={draft.maximum} onChange={maximum => set({ maximum })} problem={problems.maximum} inputMode="numeric" />
      </ColumnLayout>
      <ShowAs service="application-autoscaling" operation="put-scheduled-action" request={request} />
    </Confirm>
  )
}
