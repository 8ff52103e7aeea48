// Why a task stopped, in plain words, and what to do about it.
import type { Task } from '@aws-sdk/client-ecs'

interface Case {
  matches: RegExp
  say: string
}

// Looked for in the reasons of the task and its containers, first match first.
const cases: Case[] = [
  { matches: /CannotPullContainerError/, say: 'The image could not be fetched. Check its name and tag, and that the node reaches the registry and may log in there.' },
  { matches: /CannotStartContainerError/, say: 'The container was made, and its command did not start. Check command and entry point against what is in the image.' },
  { matches: /CannotCreateContainerError/, say: 'The container could not be made. Its reason names the setting; change it in a new revision of the task definition.' },
  { matches: /OutOfMemoryError/, say: 'A container used more memory than its limit. Raise the limit in a new revision, or let the program use less.' },
  { matches: /ResourceInitializationError/, say: 'Something that the task needs before its containers start could not be made; the reason names it.' },
  { matches: /health checks?/i, say: 'The task ran and did not pass its health check. Look at its logs, and try the check by hand.' },
  { matches: /Scaling activity|ServiceSchedulerInitiated/, say: 'The service no longer needed this task: it was scaled in, or a deployment replaced it.' },
  { matches: /Host .*(stopped|terminated)|deregistration/, say: 'The machine that it ran on is gone. A service has started another one elsewhere.' },
  { matches: /Spot/, say: 'Its spot capacity was taken back.' },
]

const signals: Record<number, string> = { 6: 'SIGABRT', 9: 'SIGKILL', 11: 'SIGSEGV', 15: 'SIGTERM' }

function exits(task: Task): string {
  return (task.containers ?? [])
    .filter(container => container.exitCode)
    .map(container => {
      const signal = signals[container.exitCode! - 128]
      return `${container.name} ended with exit code ${container.exitCode}${signal ? ` (${signal})` : ''}.`
    })
    .join(' ')
}

export function advice(task: Task): string {
  const reasons = [task.stopCode, task.stoppedReason, ...(task.containers ?? []).map(c => c.reason)].join('\n')
  const found = cases.find(item => item.matches.test(reasons))
  if (found) return [found.say, exits(task)].filter(Boolean).join(' ')
  if (task.stopCode === 'UserInitiated') return 'Somebody asked for it.'
  if (task.stopCode === 'EssentialContainerExited')
    return [exits(task) || 'An essential container ended with exit code 0.', 'Its logs say more.'].join(' ')
  return exits(task)
}
