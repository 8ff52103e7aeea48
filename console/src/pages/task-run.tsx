import { RunTaskCommand } from '@aws-sdk/client-ecs'
import Button from '@cloudscape-design/components/button'
import Container from '@cloudscape-design/components/container'
import Form from '@cloudscape-design/components/form'
import SpaceBetween from '@cloudscape-design/components/space-between'
import { useState } from 'react'
import { useNavigate, useParams, useSearchParams } from 'react-router-dom'

import { ecs } from '../aws'
import { getTaskDefinition, listFamilies } from '../data/ecs'
import { useLoad } from '../data/load'
import { type OverrideDrafts, overridesOf, overridesProblem } from '../data/overrides'
import { numberProblem } from '../data/rules'
import { newServiceDraft, type ServiceDraft, serviceProblems, serviceRequest } from '../data/service-draft'
import { ChoiceField, TextField } from '../parts/fields'
import { useFlash } from '../parts/flash'
import { NetworkForm } from '../parts/network-form'
import { OverridesForm } from '../parts/overrides-form'
import { ErrorAlert, Page } from '../parts/page'
import { ShowAs } from '../parts/show-as'

export default function TaskRun() {
  const { cluster = '' } = useParams()
  const [parameters] = useSearchParams()
  const navigate = useNavigate()
  const tell = useFlash()
  const [draft, setDraft] = useState<ServiceDraft>(() => newServiceDraft(parameters.get('taskDefinition') ?? ''))
  const [count, setCount] = useState('1')
  const [overrides, setOverrides] = useState<OverrideDrafts>({})
  const [busy, setBusy] = useState(false)
  const [tried, setTried] = useState(false)
  const [error, setError] = useState<Error>()
  const { data: families, loading } = useLoad(() => listFamilies(), [])
  const { data: definition } = useLoad(
    async () => (draft.taskDefinition ? getTaskDefinition(draft.taskDefinition) : undefined), [draft.taskDefinition], () => false)
  const awsvpc = definition?.networkMode === 'awsvpc'
  const problems = serviceProblems({ ...draft, name: 'task', newGroup: false }, definition)
  const countProblem = numberProblem('Number of tasks', count, 1, 10)
  const containerOverrides = overridesOf(overrides, definition)
  const request = {
    cluster,
    taskDefinition: draft.taskDefinition,
    count: Number(count),
    launchType: definition?.requiresCompatibilities?.includes('FARGATE') ? ('FARGATE' as const) : undefined,
    overrides: containerOverrides && { containerOverrides },
    networkConfiguration: serviceRequest(cluster, { ...draft, newGroup: false }, definition).networkConfiguration,
  }

  const submit = async () => {
    setTried(true)
    if (countProblem || overridesProblem(overrides) || Object.keys(problems).length > 0) return
    setBusy(true)
    try {
      const { tasks, failures } = await ecs().send(new RunTaskCommand(request))
      if (failures?.length) throw new Error(failures.map(f => [f.reason, f.detail].filter(Boolean).join(': ')).join('; '))
      tell('success', tasks?.length === 1 ? 'The task is starting.' : `${tasks?.length} tasks are starting.`)
      navigate(`/clusters/${cluster}/tasks`)
    } catch (e) {
      setError(e as Error)
      setBusy(false)
    }
  }

  return (
    <Page
      title="Run task"
      crumbs={[
        { text: 'Clusters', href: '/clusters' },
        { text: cluster, href: `/clusters/${cluster}/tasks` },
        { text: 'Run task', href: '' },
      ]}
    >
      <form
        onSubmit={event => {
          event.preventDefault()
          void submit()
        }}
      >
        <Form
          actions={
            <SpaceBetween direction="horizontal" size="xs">
              <Button variant="link" formAction="none" onClick={() => navigate(`/clusters/${cluster}/tasks`)}>Cancel</Button>
              <Button variant="primary" formAction="submit" loading={busy}>Create</Button>
            </SpaceBetween>
          }
        >
          <SpaceBetween size="l">
            <ErrorAlert error={error} />
            <Container>
              <SpaceBetween size="m">
                <ChoiceField
                  label="Task definition"
                  value={draft.taskDefinition}
                  options={families ?? []}
                  loading={loading}
                  filter
                  onChange={taskDefinition => {
                    setDraft(old => ({ ...old, taskDefinition }))
                    setOverrides({})
                  }}
                  problem={tried ? problems.taskDefinition : undefined}
                />
                <TextField label="Number of tasks" value={count} onChange={setCount} problem={tried || count !== '' ? countProblem : undefined} inputMode="numeric" />
              </SpaceBetween>
            </Container>
            {awsvpc && (
              <NetworkForm draft={draft} set={change => setDraft(old => ({ ...old, ...change }))} problems={tried ? problems : {}} definition={definition} />
            )}
            {definition && <OverridesForm definition={definition} drafts={overrides} onChange={setOverrides} tried={tried} />}
            <ShowAs service="ecs" operation="run-task" request={request} />
          </SpaceBetween>
        </Form>
      </form>
    </Page>
  )
}
