import { DeleteTaskDefinitionsCommand, DeregisterTaskDefinitionCommand, type ContainerDefinition } from '@aws-sdk/client-ecs'
import Button from '@cloudscape-design/components/button'
import ButtonDropdown from '@cloudscape-design/components/button-dropdown'
import Container from '@cloudscape-design/components/container'
import Header from '@cloudscape-design/components/header'
import SpaceBetween from '@cloudscape-design/components/space-between'
import Table from '@cloudscape-design/components/table'
import Tabs from '@cloudscape-design/components/tabs'
import { useState } from 'react'
import { useNavigate, useParams } from 'react-router-dom'

import { ecs } from '../aws'
import { requestFrom } from '../data/draft'
import { getTaskDefinition } from '../data/ecs'
import { useLoad } from '../data/load'
import { vcpus } from '../data/names'
import { asJson } from '../data/show'
import { Arn } from '../parts/arn'
import { ClusterChoice } from '../parts/cluster-choice'
import { Code } from '../parts/code'
import { Confirm } from '../parts/confirm'
import { Facts } from '../parts/facts'
import { useFlash } from '../parts/flash'
import { Page } from '../parts/page'
import { Since } from '../parts/since'
import { Status } from '../parts/status'
import { TagTable } from '../parts/tags'

function ports(container: ContainerDefinition): string {
  return (container.portMappings ?? [])
    .map(p => `${p.hostPort ? `${p.hostPort} → ` : ''}${p.containerPort ?? p.containerPortRange}/${p.protocol ?? 'tcp'}`)
    .join(', ')
}

function Containers({ containers }: { containers: ContainerDefinition[] }) {
  return (
    <Table
      header={<Header variant="h2" counter={`(${containers.length})`}>Containers</Header>}
      items={containers}
      ariaLabels={{ tableLabel: 'Containers' }}
      columnDefinitions={[
        { id: 'name', header: 'Name', cell: c => c.name, isRowHeader: true },
        { id: 'image', header: 'Image', cell: c => c.image },
        { id: 'essential', header: 'Essential', cell: c => (c.essential === false ? 'No' : 'Yes') },
        { id: 'ports', header: 'Ports', cell: ports },
        { id: 'cpu', header: 'CPU units', cell: c => c.cpu || '–' },
        { id: 'memory', header: 'Memory (MiB)', cell: c => c.memory ?? c.memoryReservation ?? '–' },
        { id: 'log', header: 'Log driver', cell: c => c.logConfiguration?.logDriver ?? '–' },
      ]}
    />
  )
}

export default function TaskDefinition() {
  const { family = '', revision = '' } = useParams()
  const name = `${family}:${revision}`
  const navigate = useNavigate()
  const tell = useFlash()
  const [doing, setDoing] = useState<'service' | 'task' | 'deregister' | 'delete'>()
  const { data: definition, error } = useLoad(() => getTaskDefinition(name), [name], c => c.kind === 'task-definition' || c.kind === 'reset')
  const close = () => setDoing(undefined)
  const inactive = definition?.status === 'INACTIVE'
  return (
    <Page
      title={name}
      crumbs={[
        { text: 'Task definitions', href: '/task-definitions' },
        { text: family, href: `/task-definitions/${family}` },
        { text: `Revision ${revision}`, href: '' },
      ]}
      error={error}
      actions={
        <SpaceBetween direction="horizontal" size="xs">
          <Button disabled={!definition || definition.status === 'DELETE_IN_PROGRESS'} onClick={() => setDoing(inactive ? 'delete' : 'deregister')}>
            {inactive ? 'Delete' : 'Deregister'}
          </Button>
          <ButtonDropdown
            disabled={definition?.status !== 'ACTIVE'}
            items={[
              { id: 'service', text: 'Create service' },
              { id: 'task', text: 'Run task' },
            ]}
            onItemClick={event => setDoing(event.detail.id as 'service' | 'task')}
          >
            Deploy
          </ButtonDropdown>
          <Button onClick={() => navigate(`/task-definitions/create?from=${name}`)}>Create new revision</Button>
        </SpaceBetween>
      }
    >
      {definition && (
        <SpaceBetween size="l">
          <Container header={<Header variant="h2">Overview</Header>}>
            <Facts
              items={[
                ['Status', <Status of={definition.status} />],
                ['Launch types', definition.compatibilities?.join(', ')],
                ['Network mode', definition.networkMode],
                ['Registered', <Since time={definition.registeredAt} />],
                ['CPU', definition.cpu ? vcpus(Number(definition.cpu)) : undefined],
                ['Memory', definition.memory ? `${definition.memory} MiB` : undefined],
                ['Task role', definition.taskRoleArn],
                ['Task execution role', definition.executionRoleArn],
                ['ARN', <Arn of={definition.taskDefinitionArn} />],
              ]}
            />
          </Container>
          <Tabs
            ariaLabel="Parts of the task definition"
            tabs={[
              { id: 'containers', label: 'Containers', content: <Containers containers={definition.containerDefinitions ?? []} /> },
              { id: 'json', label: 'JSON', content: <Code label="Task definition" text={asJson(requestFrom(definition))} /> },
              { id: 'tags', label: 'Tags', content: <TagTable arn={definition.taskDefinitionArn} tags={definition.tags} /> },
            ]}
          />
        </SpaceBetween>
      )}
      {(doing === 'service' || doing === 'task') && (
        <ClusterChoice
          title={doing === 'service' ? `Create a service of ${name}` : `Run ${name}`}
          close={close}
          choose={cluster => navigate(`/clusters/${cluster}/${doing === 'service' ? 'services/create' : 'tasks/run'}?taskDefinition=${name}`)}
        />
      )}
      {doing === 'deregister' && (
        <Confirm
          title={`Deregister ${name}?`}
          action="Deregister"
          close={close}
          run={async () => {
            await ecs().send(new DeregisterTaskDefinitionCommand({ taskDefinition: name }))
            tell('success', `${name} is inactive.`)
          }}
        >
          Services that use it go on; new tasks and services cannot use it.
        </Confirm>
      )}
      {doing === 'delete' && (
        <Confirm
          title={`Delete ${name}?`}
          action="Delete"
          close={close}
          run={async () => {
            const { failures } = await ecs().send(new DeleteTaskDefinitionsCommand({ taskDefinitions: [name] }))
            if (failures?.length) throw new Error(failures.map(f => [f.reason, f.detail].filter(Boolean).join(': ')).join('; '))
            tell('success', `${name} is deleted as soon as no task and no service uses it.`)
            navigate(`/task-definitions/${family}`)
          }}
        >
          It cannot be brought back. Tasks and services that use it go on.
        </Confirm>
      )}
    </Page>
  )
}
