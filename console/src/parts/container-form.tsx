// One container of a task definition that is being written.
import AttributeEditor from '@cloudscape-design/components/attribute-editor'
import Box from '@cloudscape-design/components/box'
import Button from '@cloudscape-design/components/button'
import ColumnLayout from '@cloudscape-design/components/column-layout'
import Container from '@cloudscape-design/components/container'
import ExpandableSection from '@cloudscape-design/components/expandable-section'
import Header from '@cloudscape-design/components/header'
import Input from '@cloudscape-design/components/input'
import Select from '@cloudscape-design/components/select'
import SpaceBetween from '@cloudscape-design/components/space-between'
import Toggle from '@cloudscape-design/components/toggle'

import type { ContainerDraft, Draft, PortDraft, Problems } from '../data/draft'
import { TextField } from './fields'

interface Props {
  draft: Draft
  index: number
  problems: Problems
  onChange: (container: ContainerDraft) => void
  onRemove: () => void
}

function Ports({ draft, index, problems, onChange }: Omit<Props, 'onRemove'>) {
  const container = draft.containers[index]!
  const set = (i: number, change: Partial<PortDraft>) =>
    onChange({ ...container, ports: container.ports.map((port, n) => (n === i ? { ...port, ...change } : port)) })
  const bridge = draft.launchType === 'EC2' && draft.networkMode === 'bridge'
  const host = {
    label: 'Host port',
    control: (port: PortDraft, i: number) => (
      <Input value={port.hostPort} onChange={e => set(i, { hostPort: e.detail.value })} placeholder="any free one" inputMode="numeric" ariaLabel={`Host port ${i + 1}`} />
    ),
    errorText: (_: PortDraft, i: number) => problems[`containers[${index}].ports[${i}].hostPort`],
  }
  return (
    <AttributeEditor
      items={container.ports}
      addButtonText="Add port mapping"
      removeButtonText="Remove"
      empty="No port: nothing can connect to this container."
      onAddButtonClick={() => onChange({ ...container, ports: [...container.ports, { containerPort: '', hostPort: '', protocol: 'tcp' }] })}
      onRemoveButtonClick={e => onChange({ ...container, ports: container.ports.filter((_, i) => i !== e.detail.itemIndex) })}
      definition={[
        {
          label: 'Container port',
          control: (port: PortDraft, i: number) => (
            <Input value={port.containerPort} onChange={e => set(i, { containerPort: e.detail.value })} inputMode="numeric" ariaLabel={`Container port ${i + 1}`} />
          ),
          errorText: (_: PortDraft, i: number) => problems[`containers[${index}].ports[${i}].containerPort`],
        },
        ...(bridge ? [host] : []),
        {
          label: 'Protocol',
          control: (port: PortDraft, i: number) => (
            <Select
              selectedOption={{ value: port.protocol, label: port.protocol.toUpperCase() }}
              options={[
                { value: 'tcp', label: 'TCP' },
                { value: 'udp', label: 'UDP' },
              ]}
              onChange={e => set(i, { protocol: e.detail.selectedOption.value as 'tcp' | 'udp' })}
              ariaLabel={`Protocol ${i + 1}`}
            />
          ),
        },
      ]}
    />
  )
}

function Environment({ draft, index, problems, onChange }: Omit<Props, 'onRemove'>) {
  const container = draft.containers[index]!
  const set = (i: number, change: { key?: string; value?: string }) =>
    onChange({ ...container, environment: container.environment.map((pair, n) => (n === i ? { ...pair, ...change } : pair)) })
  return (
    <AttributeEditor
      items={container.environment}
      addButtonText="Add environment variable"
      removeButtonText="Remove"
      empty="No environment variables."
      onAddButtonClick={() => onChange({ ...container, environment: [...container.environment, { key: '', value: '' }] })}
      onRemoveButtonClick={e => onChange({ ...container, environment: container.environment.filter((_, i) => i !== e.detail.itemIndex) })}
      definition={[
        {
          label: 'Key',
          control: (pair, i) => <Input value={pair.key} onChange={e => set(i, { key: e.detail.value })} ariaLabel={`Variable ${i + 1}`} />,
          errorText: (_, i) => problems[`containers[${index}].environment[${i}].key`],
        },
        { label: 'Value', control: (pair, i) => <Input value={pair.value} onChange={e => set(i, { value: e.detail.value })} ariaLabel={`Value ${i + 1}`} /> },
      ]}
    />
  )
}

export function ContainerForm(props: Props) {
  const { draft, index, problems, onChange, onRemove } = props
  const container = draft.containers[index]!
  const set = (change: Partial<ContainerDraft>) => onChange({ ...container, ...change })
  const problem = (field: string) => problems[`containers[${index}].${field}`]
  return (
    <Container
      header={
        <Header variant="h2" actions={draft.containers.length > 1 && <Button onClick={onRemove}>Remove</Button>}>
          {`Container – ${index + 1}`}
        </Header>
      }
    >
      <SpaceBetween size="m">
        <ColumnLayout columns={2}>
          <TextField label="Name" value={container.name} onChange={name => set({ name })} problem={problem('name')} />
          <TextField
            label="Image URI"
            value={container.image}
            onChange={image => set({ image })}
            problem={problem('image')}
            placeholder="docker.io/library/nginx:1.27"
          />
        </ColumnLayout>
        <Toggle checked={container.essential} onChange={e => set({ essential: e.detail.checked })} description="When it ends, the whole task ends.">
          Essential container
        </Toggle>
        <Box variant="h3">Port mappings</Box>
        <Ports {...props} />
        <ExpandableSection headerText="Resource limits, command, environment, health">
          <SpaceBetween size="m">
            <ColumnLayout columns={2}>
              <TextField label="CPU units" hint="1,024 are one vCPU; shares when the machine is busy." value={container.cpu} onChange={cpu => set({ cpu })} problem={problem('cpu')} inputMode="numeric" />
              <TextField label="Memory limit (MiB)" hint="The container is ended when it uses more." value={container.memory} onChange={memory => set({ memory })} problem={problem('memory')} inputMode="numeric" />
            </ColumnLayout>
            <TextField label="Command" hint="Words separated by blanks; empty: the image's own." value={container.command} onChange={command => set({ command })} problem={problem('command')} />
            <TextField label="Health check command" hint="Run by the shell of the container; exit code 0 means healthy." value={container.healthCommand} onChange={healthCommand => set({ healthCommand })} />
            <Box variant="h3">Environment variables</Box>
            <Environment {...props} />
          </SpaceBetween>
        </ExpandableSection>
      </SpaceBetween>
    </Container>
  )
}
