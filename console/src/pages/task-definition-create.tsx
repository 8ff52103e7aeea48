import { RegisterTaskDefinitionCommand, type RegisterTaskDefinitionCommandInput } from '@aws-sdk/client-ecs'
import AttributeEditor from '@cloudscape-design/components/attribute-editor'
import Alert from '@cloudscape-design/components/alert'
import Button from '@cloudscape-design/components/button'
import Checkbox from '@cloudscape-design/components/checkbox'
import ColumnLayout from '@cloudscape-design/components/column-layout'
import Container from '@cloudscape-design/components/container'
import FormField from '@cloudscape-design/components/form-field'
import Header from '@cloudscape-design/components/header'
import Input from '@cloudscape-design/components/input'
import SegmentedControl from '@cloudscape-design/components/segmented-control'
import SpaceBetween from '@cloudscape-design/components/space-between'
import Textarea from '@cloudscape-design/components/textarea'
import Tiles from '@cloudscape-design/components/tiles'
import Toggle from '@cloudscape-design/components/toggle'
import Wizard from '@cloudscape-design/components/wizard'
import { useEffect, useMemo, useState } from 'react'
import { useNavigate, useSearchParams } from 'react-router-dom'

import { ecs } from '../aws'
import { type ContainerDraft, type Draft, draftProblems, fargateSizes, newContainer, newDraft, type Problems, requestFrom, requestOf } from '../data/draft'
import { getTaskDefinition } from '../data/ecs'
import { definitionProblem } from '../data/definition-json'
import { typedProblems } from '../data/rules'
import { asJson } from '../data/show'
import { ContainerForm } from '../parts/container-form'
import { ChoiceField, TextField } from '../parts/fields'
import { useFlash } from '../parts/flash'
import { Crumbs, ErrorAlert, useTitle } from '../parts/page'
import { ShowAs } from '../parts/show-as'
import { TagRows } from '../parts/tags'
import { useSession } from '../session'

type Set = (change: Partial<Draft>) => void

interface StepProps {
  draft: Draft
  set: Set
  problems: Problems
}

const terraformRules = {
  json: ['containerDefinitions'],
  blocks: { runtimePlatform: 'runtime_platform', volumes: 'volume' },
}

/** Which step of the form a problem belongs to. */
function stepOf(field: string): number {
  if (/^(family|containers)/.test(field) && !/mounts/.test(field)) return 0
  return /^(cpu|memory|taskRole|executionRole)/.test(field) ? 1 : 2
}

function ContainersStep({ draft, set, problems }: StepProps) {
  const replace = (index: number, container: ContainerDraft) =>
    set({ containers: draft.containers.map((old, i) => (i === index ? container : old)) })
  return (
    <SpaceBetween size="l">
      <Container header={<Header variant="h2">Task definition configuration</Header>}>
        <TextField
          label="Task definition family"
          hint="1 to 255 letters, digits, hyphens and underscores."
          value={draft.family}
          onChange={family => set({ family })}
          problem={problems['family']}
          autoFocus
        />
      </Container>
      {problems['containers'] && <Alert type="error">{problems['containers']}</Alert>}
      {draft.containers.map((_, i) => (
        <ContainerForm
          key={i}
          draft={draft}
          index={i}
          problems={problems}
          onChange={container => replace(i, container)}
          onRemove={() => set({ containers: draft.containers.filter((_, n) => n !== i) })}
        />
      ))}
      <Button
        disabled={draft.containers.length >= 10}
        onClick={() => set({ containers: [...draft.containers, newContainer(draft.containers.length + 1)] })}
      >
        Add container
      </Button>
    </SpaceBetween>
  )
}

function SizeFields({ draft, set, problems }: StepProps) {
  if (draft.launchType === 'EC2')
    return (
      <ColumnLayout columns={2}>
        <TextField label="Task CPU (units)" hint="Optional; 1,024 are one vCPU." value={draft.cpu} onChange={cpu => set({ cpu })} problem={problems['cpu']} inputMode="numeric" />
        <TextField label="Task memory (MiB)" hint="Optional when each container has its own." value={draft.memory} onChange={memory => set({ memory })} problem={problems['memory']} inputMode="numeric" />
      </ColumnLayout>
    )
  const sizes = fargateSizes[draft.cpu] ?? []
  return (
    <ColumnLayout columns={2}>
      <ChoiceField
        label="CPU"
        value={draft.cpu}
        onChange={cpu => set({ cpu, memory: fargateSizes[cpu]?.includes(Number(draft.memory)) ? draft.memory : String(fargateSizes[cpu]?.[0] ?? '') })}
        options={Object.keys(fargateSizes).map(cpu => ({ value: cpu, label: `${Number(cpu) / 1024} vCPU` }))}
        problem={problems['cpu']}
      />
      <ChoiceField
        label="Memory"
        value={draft.memory}
        onChange={memory => set({ memory })}
        options={sizes.map(mib => ({ value: String(mib), label: `${mib / 1024} GB` }))}
        problem={problems['memory']}
      />
    </ColumnLayout>
  )
}

function EnvironmentStep(props: StepProps) {
  const { draft, set, problems } = props
  return (
    <SpaceBetween size="l">
      <Container header={<Header variant="h2">Infrastructure requirements</Header>}>
        <SpaceBetween size="m">
          <FormField label="Launch type" stretch>
            <Tiles
              value={draft.launchType}
              onChange={e => {
                const launchType = e.detail.value as Draft['launchType']
                set(launchType === 'FARGATE' ? { launchType, networkMode: 'awsvpc', cpu: '256', memory: '512' } : { launchType })
              }}
              items={[
                { value: 'FARGATE', label: 'Fargate', description: 'A server of exactly this size is made for each task.' },
                { value: 'EC2', label: 'Container instances', description: 'Your own machines, which joined with gantry agent.' },
              ]}
            />
          </FormField>
          <ColumnLayout columns={2}>
            <ChoiceField
              label="Operating system and architecture"
              value={draft.architecture}
              onChange={architecture => set({ architecture: architecture as Draft['architecture'] })}
              options={[
                { value: 'X86_64', label: 'Linux/X86_64' },
                { value: 'ARM64', label: 'Linux/ARM64' },
              ]}
            />
            <ChoiceField
              label="Network mode"
              value={draft.launchType === 'FARGATE' ? 'awsvpc' : draft.networkMode}
              onChange={networkMode => set({ networkMode: networkMode as Draft['networkMode'] })}
              options={['awsvpc', 'bridge', 'host', 'none']}
              disabled={draft.launchType === 'FARGATE'}
              hint="awsvpc: an address of its own and security groups for each task; bridge: ports of the machine."
            />
          </ColumnLayout>
          <SizeFields {...props} />
          <ColumnLayout columns={2}>
            <TextField label="Task role" hint="Optional: what the containers may do in the API." value={draft.taskRole} onChange={taskRole => set({ taskRole })} problem={problems['taskRole']} />
            <TextField label="Task execution role" hint="Optional: what the agent may do for the task (logs, private images)." value={draft.executionRole} onChange={executionRole => set({ executionRole })} problem={problems['executionRole']} />
          </ColumnLayout>
        </SpaceBetween>
      </Container>
    </SpaceBetween>
  )
}

function Storage({ draft, index, set, problems }: StepProps & { index: number }) {
  const container = draft.containers[index]!
  const replace = (mounts: ContainerDraft['mounts']) =>
    set({ containers: draft.containers.map((old, i) => (i === index ? { ...old, mounts } : old)) })
  const change = (i: number, part: Partial<ContainerDraft['mounts'][number]>) => replace(container.mounts.map((m, n) => (n === i ? { ...m, ...part } : m)))
  const problem = (i: number, field: string) => problems[`containers[${index}].mounts[${i}].${field}`]
  return (
    <AttributeEditor
      items={container.mounts}
      addButtonText="Add volume"
      removeButtonText="Remove"
      empty="No volumes: what the container writes is gone with it."
      onAddButtonClick={() => replace([...container.mounts, { volume: '', hostPath: '', containerPath: '', readOnly: false }])}
      onRemoveButtonClick={e => replace(container.mounts.filter((_, i) => i !== e.detail.itemIndex))}
      definition={[
        { label: 'Volume name', control: (m, i) => <Input value={m.volume} onChange={e => change(i, { volume: e.detail.value })} ariaLabel={`Volume ${i + 1}`} />, errorText: (_, i) => problem(i, 'volume') },
        { label: 'Path on the host', control: (m, i) => <Input value={m.hostPath} placeholder="empty: lives as long as the task" onChange={e => change(i, { hostPath: e.detail.value })} ariaLabel={`Path on the host ${i + 1}`} />, errorText: (_, i) => problem(i, 'hostPath') },
        { label: 'Path in the container', control: (m, i) => <Input value={m.containerPath} onChange={e => change(i, { containerPath: e.detail.value })} ariaLabel={`Path in the container ${i + 1}`} />, errorText: (_, i) => problem(i, 'containerPath') },
        { label: 'Access', control: (m, i) => <Checkbox checked={m.readOnly} onChange={e => change(i, { readOnly: e.detail.checked })}>Read only</Checkbox> },
      ]}
    />
  )
}

function RestStep(props: StepProps & { tried: boolean }) {
  const { draft, set, tried } = props
  return (
    <SpaceBetween size="l">
      <Container header={<Header variant="h2">Storage</Header>}>
        <SpaceBetween size="l">
          {draft.containers.map((container, i) => (
            <FormField key={i} label={container.name || `Container ${i + 1}`} stretch>
              <Storage {...props} index={i} />
            </FormField>
          ))}
        </SpaceBetween>
      </Container>
      <Container header={<Header variant="h2">Monitoring and logging</Header>}>
        <SpaceBetween size="s">
          {draft.containers.map((container, i) => (
            <Toggle
              key={i}
              checked={container.logs}
              onChange={e => set({ containers: draft.containers.map((old, n) => (n === i ? { ...old, logs: e.detail.checked } : old)) })}
              description={`Log group /ecs/${draft.family || 'FAMILY'}`}
            >
              {`Collect the log of ${container.name || `container ${i + 1}`}`}
            </Toggle>
          ))}
        </SpaceBetween>
      </Container>
      <Container header={<Header variant="h2">Tags</Header>}>
        <TagRows rows={draft.tags} onChange={tags => set({ tags })} tried={tried} />
      </Container>
    </SpaceBetween>
  )
}

function JsonEditor({ text, onChange, problem }: { text: string; onChange: (text: string) => void; problem: string | undefined }) {
  return (
    <Container header={<Header variant="h2" description="The members of RegisterTaskDefinition.">JSON</Header>}>
      <FormField errorText={problem} stretch>
        <div className="json-editor">
          <Textarea value={text} onChange={e => onChange(e.detail.value)} rows={30} spellcheck={false} ariaLabel="Task definition as JSON" invalid={!!problem} />
        </div>
      </FormField>
    </Container>
  )
}

export default function TaskDefinitionCreate() {
  const [parameters] = useSearchParams()
  const from = parameters.get('from')
  const title = from ? 'Create new revision' : 'Create task definition'
  useTitle(title)
  const navigate = useNavigate()
  const tell = useFlash()
  const region = useSession()?.region ?? 'us-east-1'
  const [mode, setMode] = useState<'form' | 'json'>(from ? 'json' : 'form')
  const [draft, setDraft] = useState(newDraft)
  const [text, setText] = useState('')
  const [step, setStep] = useState(0)
  const [tried, setTried] = useState(-1)
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<Error>()
  const set: Set = change => setDraft(old => ({ ...old, ...change }))
  const all = useMemo(() => draftProblems(draft), [draft])
  const shown = { ...typedProblems(draft, all), ...Object.fromEntries(Object.entries(all).filter(([field]) => stepOf(field) <= tried)) }
  const inJson = mode === 'json' ? definitionProblem(text) : undefined

  useEffect(() => {
    if (from)
      getTaskDefinition(from).then(
        definition => setText(asJson({ ...requestFrom(definition), tags: definition.tags?.length ? definition.tags : undefined })),
        setError,
      )
  }, [from])

  const register = async (request: RegisterTaskDefinitionCommandInput) => {
    setBusy(true)
    try {
      const { taskDefinition } = await ecs().send(new RegisterTaskDefinitionCommand(request))
      tell('success', `Task definition ${taskDefinition!.family}:${taskDefinition!.revision} is registered.`)
      navigate(`/task-definitions/${taskDefinition!.family}/${taskDefinition!.revision}`)
    } catch (e) {
      setError(e as Error)
      setBusy(false)
    }
  }

  const go = (to: number) => {
    setTried(old => Math.max(old, to - 1))
    const first = Math.min(...Object.keys(all).map(stepOf))
    setStep(Math.min(to, first))
  }

  const request = requestOf(draft, region)
  const steps = { draft, set, problems: shown }
  return (
    <SpaceBetween size="m">
      <Crumbs items={[{ text: 'Task definitions', href: '/task-definitions' }, { text: title, href: '' }]} />
      {mode === 'json' && <Header variant="h1">{title}</Header>}
      <SegmentedControl
        label="Form or JSON"
        selectedId={mode}
        onChange={e => {
          if (e.detail.selectedId === 'json' && !text) setText(asJson(request))
          setMode(e.detail.selectedId as 'form' | 'json')
        }}
        options={[
          { id: 'form', text: 'Form', disabled: !!from },
          { id: 'json', text: 'JSON' },
        ]}
      />
      <ErrorAlert error={error} />
      {mode === 'json' ? (
        <SpaceBetween size="m">
          <JsonEditor text={text} onChange={setText} problem={text ? inJson : undefined} />
          <SpaceBetween direction="horizontal" size="xs">
            <Button variant="link" onClick={() => navigate('/task-definitions')}>Cancel</Button>
            <Button variant="primary" disabled={!!inJson} loading={busy} onClick={() => void register(JSON.parse(text) as RegisterTaskDefinitionCommandInput)}>
              Create
            </Button>
          </SpaceBetween>
        </SpaceBetween>
      ) : (
        <Wizard
          activeStepIndex={step}
          onNavigate={event => go(event.detail.requestedStepIndex)}
          onCancel={() => navigate('/task-definitions')}
          onSubmit={() => {
            setTried(3)
            if (Object.keys(all).length === 0) void register(request)
          }}
          isLoadingNextStep={busy}
          submitButtonText="Create"
          i18nStrings={{
            stepNumberLabel: n => `Step ${n}`,
            collapsedStepsLabel: (n, of) => `Step ${n} of ${of}`,
            cancelButton: 'Cancel',
            previousButton: 'Previous',
            nextButton: 'Next',
            navigationAriaLabel: 'Steps',
          }}
          steps={[
            { title: 'Name, image and port', content: <ContainersStep {...steps} /> },
            { title: 'Environment', content: <EnvironmentStep {...steps} /> },
            { title: 'Storage, monitoring and tags', content: <RestStep {...steps} tried={tried >= 2} /> },
            {
              title: 'Review and create',
              content: (
                <ShowAs
                  service="ecs"
                  operation="register-task-definition"
                  request={request}
                  terraform={{ type: 'aws_ecs_task_definition', name: draft.family || 'app', rules: terraformRules }}
                />
              ),
            },
          ]}
        />
      )}
    </SpaceBetween>
  )
}
