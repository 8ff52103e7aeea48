import { DescribeTargetGroupsCommand } from '@aws-sdk/client-elastic-load-balancing-v2'
import Box from '@cloudscape-design/components/box'
import Button from '@cloudscape-design/components/button'
import Checkbox from '@cloudscape-design/components/checkbox'
import ColumnLayout from '@cloudscape-design/components/column-layout'
import Container from '@cloudscape-design/components/container'
import Form from '@cloudscape-design/components/form'
import FormField from '@cloudscape-design/components/form-field'
import Header from '@cloudscape-design/components/header'
import RadioGroup from '@cloudscape-design/components/radio-group'
import SpaceBetween from '@cloudscape-design/components/space-between'
import Tiles from '@cloudscape-design/components/tiles'
import { useEffect, useState } from 'react'
import { useNavigate, useParams, useSearchParams } from 'react-router-dom'

import { elb } from '../aws'
import { getTaskDefinition, listFamilies, listRevisions } from '../data/ecs'
import { useLoad } from '../data/load'
import { typedProblems } from '../data/rules'
import { createService, endpoints, newServiceDraft, type ServiceDraft, type ServiceProblems, serviceProblems, serviceRequest } from '../data/service-draft'
import { ChoiceField, TextField } from '../parts/fields'
import { useFlash } from '../parts/flash'
import { NetworkForm } from '../parts/network-form'
import { ErrorAlert, Page } from '../parts/page'
import { ShowAs } from '../parts/show-as'

interface PartProps {
  draft: ServiceDraft
  set: (change: Partial<ServiceDraft>) => void
  problems: ServiceProblems
}

const terraformRules = {
  blocks: { networkConfiguration: 'network_configuration', loadBalancers: 'load_balancer' },
  names: { serviceName: 'name' },
  leaveOut: ['deploymentConfiguration'],
}

function Compute({ draft, set, problems }: PartProps) {
  return (
    <Container header={<Header variant="h2">Environment</Header>}>
      <FormField label="Launch type" stretch errorText={problems.launchType}>
        <Tiles
          value={draft.launchType}
          onChange={e => set({ launchType: e.detail.value as ServiceDraft['launchType'] })}
          items={[
            { value: 'FARGATE', label: 'Fargate', description: 'A server of the right size is made for each task.' },
            { value: 'EC2', label: 'Container instances', description: 'Your own machines, which joined with gantry agent.' },
          ]}
        />
      </FormField>
    </Container>
  )
}

function Deployment({ draft, set, problems }: PartProps) {
  const family = draft.taskDefinition.split(':')[0] ?? ''
  const { data: families, loading } = useLoad(() => listFamilies(), [])
  const { data: revisions } = useLoad(async () => (family ? listRevisions(family) : []), [family])
  return (
    <Container header={<Header variant="h2">Deployment configuration</Header>}>
      <SpaceBetween size="m">
        <ColumnLayout columns={2}>
          <ChoiceField
            label="Task definition family"
            value={family}
            options={families ?? []}
            loading={loading}
            filter
            onChange={name => set({ taskDefinition: name, name: draft.name || name })}
            problem={problems.taskDefinition}
            placeholder="Choose a task definition"
          />
          <ChoiceField
            label="Revision"
            value={draft.taskDefinition.includes(':') ? draft.taskDefinition : family}
            options={[{ value: family, label: 'The latest' }, ...(revisions ?? []).map(name => ({ value: name, label: name.split(':')[1] ?? '' }))]}
            onChange={taskDefinition => set({ taskDefinition })}
            disabled={!family}
          />
        </ColumnLayout>
        <TextField label="Service name" value={draft.name} onChange={name => set({ name })} problem={problems.name} />
        <FormField label="Service type" errorText={problems.strategy}>
          <RadioGroup
            value={draft.strategy}
            onChange={e => set({ strategy: e.detail.value as ServiceDraft['strategy'] })}
            items={[
              { value: 'REPLICA', label: 'Replica', description: 'A number of tasks, spread over the cluster.' },
              { value: 'DAEMON', label: 'Daemon', description: 'One task on each container instance.' },
            ]}
          />
        </FormField>
        {draft.strategy === 'REPLICA' && (
          <TextField label="Desired tasks" value={draft.desired} onChange={desired => set({ desired })} problem={problems.desired} inputMode="numeric" />
        )}
        <ColumnLayout columns={2}>
          <TextField label="Minimum running tasks (%)" hint="While a deployment goes on." value={draft.minimum} onChange={minimum => set({ minimum })} problem={problems.minimum} inputMode="numeric" />
          {draft.strategy === 'REPLICA' && (
            <TextField label="Maximum running tasks (%)" value={draft.maximum} onChange={maximum => set({ maximum })} problem={problems.maximum} inputMode="numeric" />
          )}
        </ColumnLayout>
        <FormField label="Deployment failure detection">
          <SpaceBetween size="xs">
            <Checkbox checked={draft.breaker} onChange={e => set({ breaker: e.detail.checked })}>Stop a deployment whose tasks do not start (circuit breaker)</Checkbox>
            <Checkbox checked={draft.rollback} disabled={!draft.breaker} onChange={e => set({ rollback: e.detail.checked })}>Roll back to the last one that worked</Checkbox>
          </SpaceBetween>
        </FormField>
      </SpaceBetween>
    </Container>
  )
}

function Balancer({ draft, set, problems, ports }: PartProps & { ports: string[] }) {
  const { data: targets } = useLoad(async () => {
    const answer = await elb().send(new DescribeTargetGroupsCommand({}))
    return answer.TargetGroups ?? []
  }, [])
  return (
    <Container header={<Header variant="h2" description="One address for all tasks, which follows them.">Load balancing</Header>}>
      <SpaceBetween size="m">
        <RadioGroup
          ariaLabel="Load balancing"
          value={draft.balancer}
          onChange={e => set({ balancer: e.detail.value as ServiceDraft['balancer'], container: draft.container || ports[0] || '' })}
          items={[
            { value: 'none', label: 'None' },
            { value: 'new', label: 'Create a new load balancer', disabled: ports.length === 0 },
            { value: 'existing', label: 'Use an existing target group', disabled: ports.length === 0 },
          ]}
        />
        {draft.balancer !== 'none' && (
          <ChoiceField label="Container to balance" value={draft.container} options={ports} onChange={container => set({ container })} problem={problems.container} />
        )}
        {draft.balancer === 'new' && (
          <ColumnLayout columns={3}>
            <TextField label="Load balancer name" value={draft.balancerName} onChange={balancerName => set({ balancerName })} problem={problems.balancerName} />
            <TextField label="Listener port" value={draft.listenerPort} onChange={listenerPort => set({ listenerPort })} problem={problems.listenerPort} inputMode="numeric" />
            <TextField label="Health check path" value={draft.healthPath} onChange={healthPath => set({ healthPath })} problem={problems.healthPath} />
          </ColumnLayout>
        )}
        {draft.balancer === 'existing' && (
          <ChoiceField
            label="Target group"
            value={draft.targetGroup}
            options={(targets ?? []).map(t => ({ value: t.TargetGroupArn, label: t.TargetGroupName, description: `${t.Protocol} ${t.Port}, ${t.TargetType}` }))}
            onChange={targetGroup => set({ targetGroup })}
            problem={problems.targetGroup}
          />
        )}
      </SpaceBetween>
    </Container>
  )
}

export default function ServiceCreate() {
  const { cluster = '' } = useParams()
  const [parameters] = useSearchParams()
  const navigate = useNavigate()
  const tell = useFlash()
  const [draft, setDraft] = useState(() => newServiceDraft(parameters.get('taskDefinition') ?? ''))
  const [tried, setTried] = useState(false)
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<Error>()
  const set = (change: Partial<ServiceDraft>) => setDraft(old => ({ ...old, ...change }))
  const { data: definition } = useLoad(
    async () => (draft.taskDefinition ? getTaskDefinition(draft.taskDefinition) : undefined), [draft.taskDefinition], () => false)
  const fargate = definition?.requiresCompatibilities?.includes('FARGATE') && !definition.requiresCompatibilities.includes('EC2')
  useEffect(() => {
    if (fargate) set({ launchType: 'FARGATE' })
  }, [fargate])
  const all = serviceProblems(draft, definition)
  const problems = tried ? all : typedProblems(draft, all)
  const ports = endpoints(definition)

  const submit = async () => {
    setTried(true)
    if (Object.keys(all).length > 0) return
    setBusy(true)
    try {
      await createService(cluster, draft, definition)
      tell('success', `Service ${draft.name} is created; its tasks are starting.`)
      navigate(`/clusters/${cluster}/services/${draft.name}/health`)
    } catch (e) {
      setError(e as Error)
      setBusy(false)
    }
  }

  const parts = { draft, set, problems }
  return (
    <Page
      title="Create service"
      crumbs={[
        { text: 'Clusters', href: '/clusters' },
        { text: cluster, href: `/clusters/${cluster}/services` },
        { text: 'Create service', href: '' },
      ]}
    >
      <form
        onSubmit={event => {
          event.preventDefault()
          void submit()
        }}
      >
        <Form
          errorText={tried && Object.keys(all).length > 0 ? Object.values(all).join(' ') : undefined}
          actions={
            <SpaceBetween direction="horizontal" size="xs">
              <Button variant="link" formAction="none" onClick={() => navigate(`/clusters/${cluster}/services`)}>Cancel</Button>
              <Button variant="primary" formAction="submit" loading={busy}>Create</Button>
            </SpaceBetween>
          }
        >
          <SpaceBetween size="l">
            <ErrorAlert error={error} />
            <Compute {...parts} />
            <Deployment {...parts} />
            {(definition?.networkMode === 'awsvpc' || draft.balancer === 'new') && <NetworkForm {...parts} definition={definition} />}
            <Balancer {...parts} ports={ports} />
            <Box>
              <ShowAs
                service="ecs"
                operation="create-service"
                request={serviceRequest(cluster, draft, definition)}
                terraform={{ type: 'aws_ecs_service', name: draft.name || 'app', rules: terraformRules }}
              />
            </Box>
          </SpaceBetween>
        </Form>
      </form>
    </Page>
  )
}
