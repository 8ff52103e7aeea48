// CloudWatch alarms: what they watch, in words.
import {
  DeleteAlarmsCommand,
  DescribeAlarmHistoryCommand,
  DescribeAlarmsCommand,
  DisableAlarmActionsCommand,
  EnableAlarmActionsCommand,
  type AlarmHistoryItem,
  type CompositeAlarm,
  type MetricAlarm,
} from '@aws-sdk/client-cloudwatch'

import { cloudwatch } from '../aws'
import { all } from './load'
import type { Metric } from './metrics'

/** Of one metric, of metric math, or of other alarms. */
export type Alarm = MetricAlarm & CompositeAlarm

async function describe(AlarmNames?: string[]): Promise<Alarm[]> {
  return all<Alarm>(async NextToken => {
    const answer = await cloudwatch().send(
      new DescribeAlarmsCommand({ AlarmNames, AlarmTypes: ['MetricAlarm', 'CompositeAlarm'], NextToken, MaxRecords: 100 }))
    return [[...(answer.MetricAlarms ?? []), ...(answer.CompositeAlarms ?? [])] as Alarm[], answer.NextToken]
  })
}

export function listAlarms(): Promise<Alarm[]> {
  return describe()
}

export async function getAlarm(name: string): Promise<Alarm> {
  const alarm = (await describe([name]))[0]
  if (!alarm) throw new Error(`There is no alarm ${name}.`)
  return alarm
}

export async function alarmHistory(AlarmName: string): Promise<AlarmHistoryItem[]> {
  return all<AlarmHistoryItem>(async NextToken => {
    const answer = await cloudwatch().send(new DescribeAlarmHistoryCommand({ AlarmName, NextToken, MaxRecords: 100, ScanBy: 'TimestampDescending' }))
    return [answer.AlarmHistoryItems, answer.NextToken]
  }, 200)
}

export async function deleteAlarm(name: string) {
  await cloudwatch().send(new DeleteAlarmsCommand({ AlarmNames: [name] }))
}

export async function setActions(name: string, enabled: boolean) {
  await cloudwatch().send(enabled ? new EnableAlarmActionsCommand({ AlarmNames: [name] }) : new DisableAlarmActionsCommand({ AlarmNames: [name] }))
}

const comparisons: Record<string, string> = {
  GreaterThanOrEqualToThreshold: '≥',
  GreaterThanThreshold: '>',
  LessThanThreshold: '<',
  LessThanOrEqualToThreshold: '≤',
}

/** "CPUUtilization > 70 for 3 of 3 points of 60 s". */
export function conditionOf(alarm: Alarm): string {
  if (alarm.AlarmRule) return alarm.AlarmRule
  const what = alarm.MetricName ?? alarm.Metrics?.find(query => query.ReturnData !== false)?.Expression ?? 'metric math'
  const periods = alarm.EvaluationPeriods ?? 1
  const period = alarm.Period ?? alarm.Metrics?.find(query => query.MetricStat)?.MetricStat?.Period
  return `${what} ${comparisons[alarm.ComparisonOperator ?? ''] ?? alarm.ComparisonOperator} ${alarm.Threshold} for ${alarm.DatapointsToAlarm ?? periods} of ${periods} points${period ? ` of ${period} s` : ''}`
}

/** The metrics that an alarm looks at, for a chart. */
export function metricsOf(alarm: Alarm): Metric[] {
  const pairs = (dimensions: MetricAlarm['Dimensions']) => Object.fromEntries((dimensions ?? []).map(d => [d.Name ?? '', d.Value ?? '']))
  if (alarm.MetricName)
    return [{ namespace: alarm.Namespace ?? '', name: alarm.MetricName, label: alarm.MetricName, dimensions: pairs(alarm.Dimensions), stat: alarm.Statistic ?? 'Average' }]
  return (alarm.Metrics ?? []).flatMap(query => {
    const metric = query.MetricStat?.Metric
    return metric
      ? [{ namespace: metric.Namespace ?? '', name: metric.MetricName ?? '', label: query.Label ?? metric.MetricName ?? '', dimensions: pairs(metric.Dimensions), stat: query.MetricStat?.Stat ?? 'Average' }]
      : []
  })
}
