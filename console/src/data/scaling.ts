// Auto scaling of a service: what is set, what was done, and the rules of its forms.
import {
  DeleteScalingPolicyCommand,
  DeleteScheduledActionCommand,
  DeregisterScalableTargetCommand,
  DescribeScalableTargetsCommand,
  DescribeScalingActivitiesCommand,
  DescribeScalingPoliciesCommand,
  DescribeScheduledActionsCommand,
  PutScalingPolicyCommand,
  PutScheduledActionCommand,
  RegisterScalableTargetCommand,
  type PutScalingPolicyCommandInput,
  type PutScheduledActionCommandInput,
  type ScalableTarget,
  type ScalingActivity,
  type ScalingPolicy,
  type ScheduledAction,
} from '@aws-sdk/client-application-auto-scaling'

import { scaling } from '../aws'
import { all } from './load'
import { numberProblem } from './rules'

const NAMESPACE = 'ecs' as const
const DIMENSION = 'ecs:service:DesiredCount' as const

/** What every request about one service begins with. */
export function scaled(cluster: string, service: string) {
  return { ServiceNamespace: NAMESPACE, ScalableDimension: DIMENSION, ResourceId: `service/${cluster}/${service}` }
}

export interface Scaling {
  target: ScalableTarget | undefined
  policies: ScalingPolicy[]
  actions: ScheduledAction[]
  activities: ScalingActivity[]
}

export async function getScaling(cluster: string, service: string): Promise<Scaling> {
  const of = scaled(cluster, service)
  const [targets, policies, actions, activities] = await Promise.all([
    scaling().send(new DescribeScalableTargetsCommand({ ServiceNamespace: NAMESPACE, ResourceIds: [of.ResourceId] })),
    all<ScalingPolicy>(async NextToken => {
      const answer = await scaling().send(new DescribeScalingPoliciesCommand({ ...of, NextToken }))
      return [answer.ScalingPolicies, answer.NextToken]
    }),
    all<ScheduledAction>(async NextToken => {
      const answer = await scaling().send(new DescribeScheduledActionsCommand({ ...of, NextToken }))
      return [answer.ScheduledActions, answer.NextToken]
    }),
    scaling().send(new DescribeScalingActivitiesCommand({ ...of, IncludeNotScaledActivities: true, MaxResults: 50 })),
  ])
  return { target: targets.ScalableTargets?.[0], policies, actions, activities: activities.ScalingActivities ?? [] }
}

/** The scheduled actions of all services of a cluster. */
export async function listClusterActions(cluster: string): Promise<ScheduledAction[]> {
  const actions = await all<ScheduledAction>(async NextToken => {
    const answer = await scaling().send(new DescribeScheduledActionsCommand({ ServiceNamespace: NAMESPACE, NextToken }))
    return [answer.ScheduledActions, answer.NextToken]
  })
  return actions.filter(action => action.ResourceId?.startsWith(`service/${cluster}/`))
}

export function serviceOf(action: ScheduledAction): string {
  return action.ResourceId?.split('/')[2] ?? ''
}

// ---- limits ----

export interface LimitsDraft {
  minimum: string
  maximum: string
}

export type LimitsProblems = Partial<Record<keyof LimitsDraft, string>>

/** Empty fields are allowed where a schedule changes only one of the two. */
export function limitsProblems(draft: LimitsDraft, optional = false): LimitsProblems {
  const problems: LimitsProblems = {}
  if (!optional || draft.minimum) problems.minimum = numberProblem('Minimum tasks', draft.minimum, 0, 5000)
  if (!optional || draft.maximum) problems.maximum = numberProblem('Maximum tasks', draft.maximum, 0, 5000)
  if (optional && !draft.minimum && !draft.maximum) problems.minimum = 'Minimum tasks: say the minimum, the maximum or both.'
  if (!problems.minimum && !problems.maximum && draft.minimum && draft.maximum && Number(draft.minimum) > Number(draft.maximum))
    problems.maximum = 'Maximum tasks: not less than the minimum.'
  return problems
}

export async function setLimits(cluster: string, service: string, draft: LimitsDraft) {
  await scaling().send(
    new RegisterScalableTargetCommand({ ...scaled(cluster, service), MinCapacity: Number(draft.minimum), MaxCapacity: Number(draft.maximum) }))
}

export async function stopScaling(cluster: string, service: string) {
  await scaling().send(new DeregisterScalableTargetCommand(scaled(cluster, service)))
}

// ---- target tracking ----

export const trackedMetrics = {
  ECSServiceAverageCPUUtilization: 'CPU utilization (%)',
  ECSServiceAverageMemoryUtilization: 'Memory utilization (%)',
  ECSServiceAverageCPUUtilizationHighResolution: 'CPU utilization (%), every second',
  ECSServiceAverageMemoryUtilizationHighResolution: 'Memory utilization (%), every second',
  ALBRequestCountPerTarget: 'Requests per target and minute',
} as const

export type TrackedMetric = keyof typeof trackedMetrics

export interface TrackingDraft {
  name: string
  metric: TrackedMetric
  target: string
  scaleOutCooldown: string
  scaleInCooldown: string
  disableScaleIn: boolean
}

export const newTracking: TrackingDraft = {
  name: '', metric: 'ECSServiceAverageCPUUtilization', target: '70', scaleOutCooldown: '300', scaleInCooldown: '300', disableScaleIn: false,
}

export type TrackingProblems = Partial<Record<keyof TrackingDraft, string>>

const DAY = 86_400

export function trackingProblems(draft: TrackingDraft): TrackingProblems {
  const problems: TrackingProblems = {}
  if (draft.name === '') problems.name = 'Policy name: say one.'
  else if (draft.name.length > 256) problems.name = `Policy name: ${draft.name.length} characters; at most 256 are allowed.`
  if (!/^\d+(\.\d+)?$/.test(draft.target) || Number(draft.target) <= 0) problems.target = 'Target value: a number above 0.'
  problems.scaleOutCooldown = numberProblem('Scale-out cooldown', draft.scaleOutCooldown, 0, DAY)
  problems.scaleInCooldown = numberProblem('Scale-in cooldown', draft.scaleInCooldown, 0, DAY)
  return problems
}

/** `label` is "app/NAME/ID/targetgroup/NAME/ID", for requests per target. */
export function trackingRequest(cluster: string, service: string, draft: TrackingDraft, label: string | undefined): PutScalingPolicyCommandInput {
  return {
    ...scaled(cluster, service),
    PolicyName: draft.name,
    PolicyType: 'TargetTrackingScaling',
    TargetTrackingScalingPolicyConfiguration: {
      TargetValue: Number(draft.target),
      PredefinedMetricSpecification: {
        PredefinedMetricType: draft.metric as never, // the two of high resolution are newer than the SDK's list
        ResourceLabel: draft.metric === 'ALBRequestCountPerTarget' ? label : undefined,
      },
      ScaleOutCooldown: Number(draft.scaleOutCooldown),
      ScaleInCooldown: Number(draft.scaleInCooldown),
      DisableScaleIn: draft.disableScaleIn,
    },
  }
}

export async function putPolicy(request: PutScalingPolicyCommandInput) {
  await scaling().send(new PutScalingPolicyCommand(request))
}

export async function deletePolicy(cluster: string, service: string, PolicyName: string) {
  await scaling().send(new DeleteScalingPolicyCommand({ ...scaled(cluster, service), PolicyName }))
}

/** "70 % of CPU utilization", "2 steps". */
export function policyInWords(policy: ScalingPolicy): string {
  const tracking = policy.TargetTrackingScalingPolicyConfiguration
  if (tracking) {
    const type = tracking.PredefinedMetricSpecification?.PredefinedMetricType as TrackedMetric | undefined
    const metric = type ? (trackedMetrics[type] ?? type) : (tracking.CustomizedMetricSpecification?.MetricName ?? 'a metric of its own')
    return `${metric}: kept at ${tracking.TargetValue}${tracking.DisableScaleIn ? ', only scales out' : ''}`
  }
  const steps = policy.StepScalingPolicyConfiguration?.StepAdjustments?.length
  return steps ? `${steps} ${steps === 1 ? 'step' : 'steps'}, when its alarm says so` : ''
}

// ---- schedules ----

export interface ScheduleDraft extends LimitsDraft {
  name: string
  schedule: string
  zone: string
}

export const newSchedule: ScheduleDraft = { name: '', schedule: 'cron(0 8 ? * MON-FRI *)', zone: '', minimum: '', maximum: '' }

export type ScheduleProblems = Partial<Record<keyof ScheduleDraft, string>>

/** Zones that the browser knows; the server has the last word. */
function isZone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone })
    return true
  } catch {
    return false
  }
}

function scheduleProblem(text: string): string | undefined {
  if (/^at\(\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?\)$/.test(text)) return undefined
  if (/^rate\((1 (minute|hour|day)|\d+ (minutes|hours|days))\)$/.test(text) && !text.startsWith('rate(0')) return undefined
  const cron = text.match(/^cron\((.*)\)$/)?.[1]
  if (cron !== undefined)
    return cron.trim().split(/\s+/).length === 6 ? undefined : 'Schedule: cron has six fields: minutes, hours, day of month, month, day of week, year.'
  return 'Schedule: at(2030-01-31T08:00:00), rate(5 minutes) or cron(0 8 ? * MON-FRI *).'
}

export function scheduleProblems(draft: ScheduleDraft): ScheduleProblems {
  const problems: ScheduleProblems = limitsProblems(draft, true)
  if (draft.name === '') problems.name = 'Name: say one.'
  else if (draft.name.length > 256) problems.name = `Name: ${draft.name.length} characters; at most 256 are allowed.`
  problems.schedule = scheduleProblem(draft.schedule)
  if (draft.zone && !isZone(draft.zone)) problems.zone = 'Time zone: one of the tz database, for example Europe/Berlin; empty is UTC.'
  return problems
}

export function scheduleRequest(cluster: string, service: string, draft: ScheduleDraft): PutScheduledActionCommandInput {
  return {
    ...scaled(cluster, service),
    ScheduledActionName: draft.name,
    Schedule: draft.schedule,
    Timezone: draft.zone || undefined,
    ScalableTargetAction: {
      MinCapacity: draft.minimum ? Number(draft.minimum) : undefined,
      MaxCapacity: draft.maximum ? Number(draft.maximum) : undefined,
    },
  }
}

export async function putSchedule(request: PutScheduledActionCommandInput) {
  await scaling().send(new PutScheduledActionCommand(request))
}

export async function deleteSchedule(cluster: string, service: string, ScheduledActionName: string) {
  await scaling().send(new DeleteScheduledActionCommand({ ...scaled(cluster, service), ScheduledActionName }))
}

/** What becomes of the limits: "at least 6, at most 20". */
export function limitsInWords(limits: { MinCapacity?: number; MaxCapacity?: number } | undefined): string {
  return [
    limits?.MinCapacity !== undefined && `at least ${limits.MinCapacity}`,
    limits?.MaxCapacity !== undefined && `at most ${limits.MaxCapacity}`,
  ]
    .filter(Boolean)
    .join(', ')
}

/** Whether any problem is there. */
export function hasProblem(problems: Record<string, string | undefined>): boolean {
  return Object.values(problems).some(Boolean)
}
