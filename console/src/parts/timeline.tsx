// How a task went through its life: each step with how long it took.
import type { Task } from '@aws-sdk/client-ecs'
import Steps, { type StepsProps } from '@cloudscape-design/components/steps'

import { duration } from '../data/names'

const moments: [keyof Task, string][] = [
  ['createdAt', 'Created'],
  ['pullStartedAt', 'Pull started'],
  ['pullStoppedAt', 'Image there'],
  ['startedAt', 'Running'],
  ['stoppingAt', 'Stopping'],
  ['executionStoppedAt', 'Containers ended'],
  ['stoppedAt', 'Stopped'],
]

export function Timeline({ task }: { task: Task }) {
  const reached = moments.filter(([member]) => task[member] instanceof Date)
  const steps: StepsProps.Step[] = reached.map(([member, header], i) => {
    const time = task[member] as Date
    const before = i > 0 ? (task[reached[i - 1]![0]] as Date) : undefined
    return {
      header,
      status: member === 'stoppedAt' || member === 'executionStoppedAt' ? 'stopped' : 'success',
      details: `${time.toLocaleTimeString()}${before ? ` (+${duration(time.getTime() - before.getTime())})` : ''}`,
    }
  })
  if (task.lastStatus !== 'STOPPED' && task.lastStatus !== 'RUNNING') steps.push({ header: `Now: ${task.lastStatus}`, status: 'loading' })
  return <Steps steps={steps} orientation="horizontal" ariaLabel="Life of the task" />
}
