// What a task was started with: its network interface, and of each container the command and the environment.
import type { Task, TaskDefinition } from '@aws-sdk/client-ecs'
import Box from '@cloudscape-design/components/box'
import Container from '@cloudscape-design/components/container'
import Header from '@cloudscape-design/components/header'
import SpaceBetween from '@cloudscape-design/components/space-between'
import { useMemo } from 'react'

import { environmentOf, type Variable } from '../data/environment'
import { Arn } from '../parts/arn'
import { Code } from '../parts/code'
import { Facts } from '../parts/facts'
import { List } from '../parts/list'

function Interfaces({ task }: { task: Task }) {
  const interfaces = task.attachments?.filter(a => a.type === 'ElasticNetworkInterface') ?? []
  if (interfaces.length === 0)
    return <Box>This task has no network interface of its own: its ports are those of its container instance (see its containers).</Box>
  return interfaces.map(attachment => {
    const detail = (name: string) => attachment.details?.find(d => d.name === name)?.value
    return (
      <Facts
        key={attachment.id}
        items={[
          ['Private IP', <Arn of={detail('privateIPv4Address')} />],
          ['Subnet', detail('subnetId')],
          ['Network interface', detail('networkInterfaceId')],
          ['MAC address', detail('macAddress')],
          ['DNS name', detail('privateDnsName')],
          ['Attachment', attachment.status],
        ]}
      />
    )
  })
}

function Variables({ title, variables }: { title: string; variables: Variable[] }) {
  return (
    <List<Variable>
      title={title}
      noun="variable"
      items={variables}
      loading={false}
      id={variable => variable.name}
      columns={[
        { id: 'name', header: 'Name', cell: v => v.name, isRowHeader: true },
        { id: 'value', header: 'Value', cell: v => v.value },
        { id: 'from', header: 'From', cell: v => v.from },
      ]}
    />
  )
}

export function TaskConfiguration({ task, definition }: { task: Task; definition: TaskDefinition }) {
  const containers = useMemo(
    () =>
      (definition.containerDefinitions ?? []).map(container => {
        const override = task.overrides?.containerOverrides?.find(o => o.name === container.name)
        return { container, command: override?.command ?? container.command, variables: environmentOf(container, override) }
      }),
    [task, definition],
  )
  return (
    <SpaceBetween size="l">
      <Container header={<Header variant="h2">Network</Header>}>
        <Interfaces task={task} />
      </Container>
      {containers.map(({ container, command, variables }) => (
        <SpaceBetween key={container.name} size="s">
          {command && command.length > 0 && (
            <Container header={<Header variant="h2">{`Command of ${container.name}`}</Header>}>
              <Code label={`Command of ${container.name}`} text={JSON.stringify(command)} />
            </Container>
          )}
          <Variables title={`Environment of ${container.name}`} variables={variables} />
        </SpaceBetween>
      ))}
    </SpaceBetween>
  )
}
