// Why a task stopped, in plain words, and what to do about it.
import type { Task } from '@aws-sdk/client-ecs'

interface Case {
  matches: RegExp
  say: string
}

// Looked for in the reasons of the task and its containers, first match first: what is special before what is general.
// tests/unit/stopped.test.ts holds it against every reason in the server's and the agent's source.
const cases: Case[] = [
  { matches: /CannotPullContainerAuthError/, say: 'The registry did not let the node in. Give the container repositoryCredentials with a name and password that it knows, or log the node in there.' },
  { matches: /CannotPullImageManifestError/, say: 'The registry has no such image for this machine. Check name, tag and processor architecture of the image.' },
  { matches: /CannotPullContainerError/, say: 'The image could not be fetched. Check its name and tag, and that the node reaches the registry and may log in there.' },
  { matches: /CannotStartContainerError.*(in use|EADDRINUSE)/s, say: 'Another program has the host port already. Leave the host port empty (any free one), or choose another.' },
  { matches: /CannotStartContainerError/, say: 'The container was made, and its command did not start. Check command and entry point against what is in the image.' },
  { matches: /CannotCreateContainerError/, say: 'The container could not be made. Its reason names the setting; change it in a new revision of the task definition.' },
  { matches: /CannotCreateVolumeError/, say: 'A volume could not be made. Its reason names the volume; check its driver, and that its path on the node may be written.' },
  { matches: /InvalidVolumeError/, say: 'A container mounts a volume that the task definition does not have, or at a path that is none. Correct the mount points in a new revision.' },
  { matches: /CannotStopContainerError/, say: 'The container did not end, not even by SIGKILL: a process in it waits for the kernel, mostly for a disk or a network file system. Look at the node.' },
  { matches: /ContainerNetworkingError/, say: 'The container could not be connected to its network. Its reason says what is missing on the node.' },
  { matches: /ContainerVanishedError/, say: 'The container is gone without anybody seeing it end: the machine was rebooted, or somebody removed it. A service starts another one; a task that runs alone has to be run again.' },
  { matches: /DockerTimeoutError/, say: 'The node took too long. Look at its load and disk, and at the log of its agent.' },
  { matches: /OutOfMemoryError/, say: 'A container used more memory than its limit. Raise the limit in a new revision, or let the program use less.' },
  { matches: /ResourceInitializationError.*(secret|parameter)/is, say: 'A secret of the task could not be read. Check that it exists, and that the task execution role may read it.' },
  { matches: /ResourceInitializationError/, say: 'Something that the task needs before its containers start could not be made; the reason names it.' },
  { matches: /TaskDependencyError|waits? for|depends on/, say: 'A container waited for another one that ended, failed or took too long. Look at the log of the one that it waited for, and at dependsOn.' },
  { matches: /TaskStoppedBeforePullBeginError/, say: 'The task was told to stop before its image was fetched. Nothing is wrong with it.' },
  { matches: /Unrecogni(z)?edTaskError/, say: 'The node does not understand the task. Update its agent to the version of the server.' },
  { matches: /InternalError/, say: 'The agent met something that should not happen. Its log on the node says more; please report it.' },
  { matches: /Capacity is unavailable/, say: 'No host of the Fargate pool had room for this task in time. Add a host (gantry agent --fargate), or make the task smaller.' },
  { matches: /ELB health checks/, say: 'The load balancer asked the task whether it is well, and did not get the answer that its target group wants. Check path, port and success codes of the health check, the security groups, and whether the grace period is long enough for the program to start.' },
  { matches: /container health checks/, say: 'The health check of a container failed too often. Look at its log, and try the command of the check in the container by hand.' },
  { matches: /Spot|SpotInterruption/, say: 'Its spot capacity was taken back. A service starts another task as soon as there is capacity.' },
  { matches: /Scaling activity/, say: 'The service no longer needed this task: it was scaled in, or a deployment replaced it. Nothing is wrong.' },
  { matches: /deregistration forced/, say: 'Its container instance was deregistered while it ran. A service has started another one elsewhere.' },
  { matches: /Host .*(lost|stopped|terminated)|host of the task was lost|not been heard of/i, say: 'The machine that it ran on is gone, or does not answer any more. A service has started another one elsewhere; look after the machine or its network.' },
]

// What a stop code alone says, when no reason says more.
const codes: Record<string, string> = {
  TaskFailedToStart: 'The task did not start. The reasons of its containers, below, say more.',
  EssentialContainerExited: 'An essential container ended, and with it the task.',
  UserInitiated: 'Somebody asked for it (StopTask).',
  ServiceSchedulerInitiated: 'The service no longer needed this task: it was scaled in, or a deployment replaced it. Nothing is wrong.',
  SpotInterruption: 'Its spot capacity was taken back. A service starts another task as soon as there is capacity.',
  TerminationNotice: 'The machine that it ran on is gone or is being shut down. A service has started another one elsewhere.',
}

const exitCodes: Record<number, string> = {
  125: 'the runtime could not run it',
  126: 'its command may not be executed',
  127: 'its command was not found in the image',
  134: 'SIGABRT: it gave up by itself',
  137: 'SIGKILL: it used too much memory, or did not end in time',
  139: 'SIGSEGV: it touched memory that is not its own',
  143: 'SIGTERM: it was asked to end',
}

function exits(task: Task): string {
  return (task.containers ?? [])
    .filter(container => container.exitCode)
    .map(container => {
      const meaning = exitCodes[container.exitCode!]
      return `${container.name} ended with exit code ${container.exitCode}${meaning ? ` (${meaning})` : ''}.`
    })
    .join(' ')
}

export function advice(task: Task): string {
  const reasons = [task.stoppedReason, ...(task.containers ?? []).map(c => c.reason)].join('\n')
  const found = cases.find(item => item.matches.test(reasons))?.say
  if (task.stopCode === 'EssentialContainerExited' && !found)
    return [codes[task.stopCode], exits(task) || 'It ended with exit code 0: as a program that had nothing more to do.', 'Its log says more.'].join(' ')
  return [found ?? codes[task.stopCode ?? ''], exits(task)].filter(Boolean).join(' ')
}
