// The log of a task's containers: the newest lines, then what comes, with a search.
import type { ContainerDefinition, Task, TaskDefinition } from '@aws-sdk/client-ecs'
import { FilterLogEventsCommand, type FilteredLogEvent } from '@aws-sdk/client-cloudwatch-logs'
import Box from '@cloudscape-design/components/box'
import Input from '@cloudscape-design/components/input'
import Select from '@cloudscape-design/components/select'
import SpaceBetween from '@cloudscape-design/components/space-between'
import Toggle from '@cloudscape-design/components/toggle'
import { useEffect, useMemo, useRef, useState } from 'react'

import { logs } from '../aws'
import { shortName } from '../data/names'
import { ErrorAlert } from './page'

const KEPT = 2000
const EVERY_MS = 1000

interface Stream {
  container: string
  group: string
  stream: string
}

function streamOf(task: Task, definition: ContainerDefinition): Stream | undefined {
  const options = definition.logConfiguration?.options
  if (definition.logConfiguration?.logDriver !== 'awslogs' || !options?.['awslogs-group'] || !options['awslogs-stream-prefix']) return undefined
  return {
    container: definition.name!,
    group: options['awslogs-group'],
    stream: `${options['awslogs-stream-prefix']}/${definition.name}/${shortName(task.taskArn)}`,
  }
}

export function TaskLogs({ task, definition }: { task: Task; definition: TaskDefinition }) {
  const streams = useMemo(
    () => (definition.containerDefinitions ?? []).map(c => streamOf(task, c)).filter((s): s is Stream => !!s),
    [task.taskArn, definition.taskDefinitionArn], // eslint-disable-line react-hooks/exhaustive-deps
  )
  const [container, setContainer] = useState(streams[0]?.container)
  const stream = streams.find(s => s.container === container)
  if (!stream)
    return <Box>No container of this task definition sends its log to awslogs. Choose log collection in a new revision to see it here.</Box>
  return (
    <SpaceBetween size="m">
      {streams.length > 1 && (
        <Select
          selectedOption={{ value: container, label: container }}
          options={streams.map(s => ({ value: s.container, label: s.container }))}
          onChange={event => setContainer(event.detail.selectedOption.value!)}
          ariaLabel="Container"
        />
      )}
      <LogView key={stream.stream} group={stream.group} streams={[stream.stream]} />
    </SpaceBetween>
  )
}

/** Follows streams of a group. */
export function LogView({ group, streams }: { group: string; streams?: string[] }) {
  const [pattern, setPattern] = useState('')
  const [follow, setFollow] = useState(true)
  const [events, setEvents] = useState<FilteredLogEvent[]>([])
  const [error, setError] = useState<Error>()
  const box = useRef<HTMLPreElement>(null)

  useEffect(() => {
    let stopped = false
    let timer: ReturnType<typeof setTimeout>
    let from = 0
    let seen = new Set<string>()
    setEvents([])
    const read = async () => {
      try {
        let nextToken: string | undefined
        const fresh: FilteredLogEvent[] = []
        do {
          const answer = await logs().send(
            new FilterLogEventsCommand({
              logGroupName: group,
              logStreamNames: streams,
              filterPattern: pattern ? `"${pattern.replaceAll('"', '')}"` : undefined,
              startTime: from,
              nextToken,
            }))
          fresh.push(...(answer.events ?? []))
          nextToken = answer.nextToken
        } while (nextToken && fresh.length < KEPT)
        if (stopped) return
        const added = fresh.filter(e => !seen.has(e.eventId!))
        if (added.length > 0) {
          from = Math.max(from, ...added.map(e => e.timestamp ?? 0))
          seen = new Set(fresh.filter(e => e.timestamp === from).map(e => e.eventId!))
          setEvents(old => [...old, ...added].slice(-KEPT))
        }
        setError(undefined)
      } catch (e) {
        const missing = (e as Error).name === 'ResourceNotFoundException'
        if (!stopped && !missing) setError(e as Error)
      }
      if (!stopped && follow) timer = setTimeout(() => void read(), EVERY_MS)
    }
    void read()
    return () => {
      stopped = true
      clearTimeout(timer)
    }
  }, [group, streams?.join('\n'), pattern, follow]) // eslint-disable-line react-hooks/exhaustive-deps

  useEffect(() => {
    if (follow && box.current) box.current.scrollTop = box.current.scrollHeight
  }, [events, follow])

  return (
    <SpaceBetween size="s">
      <ErrorAlert error={error} />
      <SpaceBetween direction="horizontal" size="m">
        <Input type="search" value={pattern} onChange={e => setPattern(e.detail.value)} placeholder="Find in the log" ariaLabel="Find in the log" />
        <Toggle checked={follow} onChange={e => setFollow(e.detail.checked)}>
          Live
        </Toggle>
      </SpaceBetween>
      <pre ref={box} className="log" tabIndex={0} aria-label="Log">
        {events.length === 0 && 'No lines yet.'}
        {events.map(e => (
          <div key={e.eventId}>
            <span className="log-time">{new Date(e.timestamp ?? 0).toLocaleTimeString()}</span> {e.message}
          </div>
        ))}
      </pre>
    </SpaceBetween>
  )
}
