// What pages ask of the EC2 Auto Scaling API: groups of machines.
import {
  DescribeAutoScalingGroupsCommand,
  DescribeScalingActivitiesCommand,
  TerminateInstanceInAutoScalingGroupCommand,
  UpdateAutoScalingGroupCommand,
  type Activity,
  type AutoScalingGroup,
} from '@aws-sdk/client-auto-scaling'

import { machines } from '../aws'
import { all } from './load'
import { numberProblem } from './rules'

export function listGroups(): Promise<AutoScalingGroup[]> {
  return all(async NextToken => {
    const answer = await machines().send(new DescribeAutoScalingGroupsCommand({ NextToken }))
    return [answer.AutoScalingGroups, answer.NextToken]
  })
}

export async function getGroup(name: string): Promise<AutoScalingGroup> {
  const answer = await machines().send(new DescribeAutoScalingGroupsCommand({ AutoScalingGroupNames: [name] }))
  const group = answer.AutoScalingGroups?.[0]
  if (!group) throw new Error(`There is no Auto Scaling group ${name}.`)
  return group
}

/** The newest first. */
export async function listGroupActivities(AutoScalingGroupName: string): Promise<Activity[]> {
  return (await machines().send(new DescribeScalingActivitiesCommand({ AutoScalingGroupName, MaxRecords: 100 }))).Activities ?? []
}

export interface SizeDraft {
  minimum: string
  desired: string
  maximum: string
}

export function sizeProblems(draft: SizeDraft): Partial<Record<keyof SizeDraft, string>> {
  const problems: Partial<Record<keyof SizeDraft, string>> = {
    minimum: numberProblem('Minimum', draft.minimum, 0, 10_000),
    maximum: numberProblem('Maximum', draft.maximum, 0, 10_000),
  }
  if (!problems.minimum && !problems.maximum && Number(draft.minimum) > Number(draft.maximum)) problems.maximum = `Maximum: at least the minimum, ${draft.minimum}.`
  const low = Number(draft.minimum)
  if (!problems.minimum && !problems.maximum) problems.desired = numberProblem('Desired', draft.desired, low, Number(draft.maximum))
  return problems
}

export async function resizeGroup(AutoScalingGroupName: string, draft: SizeDraft) {
  await machines().send(
    new UpdateAutoScalingGroupCommand({
      AutoScalingGroupName,
      MinSize: Number(draft.minimum),
      MaxSize: Number(draft.maximum),
      DesiredCapacity: Number(draft.desired),
    }))
}

/** `smaller`: nothing comes in its place. */
export async function terminateMachine(InstanceId: string, smaller: boolean) {
  await machines().send(new TerminateInstanceInAutoScalingGroupCommand({ InstanceId, ShouldDecrementDesiredCapacity: smaller }))
}

/** What its machines are made from. */
export function templateOf(group: AutoScalingGroup): string {
  const template = group.LaunchTemplate ?? group.MixedInstancesPolicy?.LaunchTemplate?.LaunchTemplateSpecification
  if (!template) return group.LaunchConfigurationName ?? '–'
  return `${template.LaunchTemplateName ?? template.LaunchTemplateId}, version ${template.Version ?? '$Default'}`
}
