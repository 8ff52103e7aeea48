import { CreateClusterCommand } from '@aws-sdk/client-ecs'
import Button from '@cloudscape-design/components/button'
import Container from '@cloudscape-design/components/container'
import Form from '@cloudscape-design/components/form'
import FormField from '@cloudscape-design/components/form-field'
import Header from '@cloudscape-design/components/header'
import Input from '@cloudscape-design/components/input'
import SpaceBetween from '@cloudscape-design/components/space-between'
import Toggle from '@cloudscape-design/components/toggle'
import { useState } from 'react'
import { useNavigate } from 'react-router-dom'

import { ecs } from '../aws'
import { nameProblem, tagProblems } from '../data/rules'
import { useFlash } from '../parts/flash'
import { ErrorAlert, Page } from '../parts/page'
import { type TagRow, TagRows, tagsOf } from '../parts/tags'

export default function ClusterCreate() {
  const navigate = useNavigate()
  const tell = useFlash()
  const [name, setName] = useState('')
  const [insights, setInsights] = useState(false)
  const [tags, setTags] = useState<TagRow[]>([])
  const [tried, setTried] = useState(false)
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<Error>()
  const problem = nameProblem('Cluster name', name)

  const submit = async () => {
    setTried(true)
    if (problem || Object.keys(tagProblems(tags)).length > 0) return
    setBusy(true)
    try {
      await ecs().send(
        new CreateClusterCommand({
          clusterName: name,
          settings: [{ name: 'containerInsights', value: insights ? 'enabled' : 'disabled' }],
          tags: tagsOf(tags),
        }))
      tell('success', `Cluster ${name} is there.`)
      navigate(`/clusters/${name}/services`)
    } catch (e) {
      setError(e as Error)
      setBusy(false)
    }
  }

  return (
    <Page
      title="Create cluster"
      description="A cluster is the set of resources that services and tasks run on."
      crumbs={[{ text: 'Clusters', href: '/clusters' }, { text: 'Create cluster', href: '' }]}
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
              <Button variant="link" formAction="none" onClick={() => navigate('/clusters')}>
                Cancel
              </Button>
              <Button variant="primary" formAction="submit" loading={busy}>
                Create
              </Button>
            </SpaceBetween>
          }
        >
          <SpaceBetween size="l">
            <ErrorAlert error={error} />
            <Container header={<Header variant="h2">Cluster configuration</Header>}>
              <SpaceBetween size="m">
                <FormField
                  label="Cluster name"
                  constraintText="1 to 255 letters, digits, hyphens and underscores. It cannot be changed later."
                  errorText={tried || name !== '' ? problem : undefined}
                >
                  <Input value={name} onChange={e => setName(e.detail.value)} autoFocus />
                </FormField>
                <FormField label="Monitoring">
                  <Toggle checked={insights} onChange={e => setInsights(e.detail.checked)}>
                    Container Insights
                  </Toggle>
                </FormField>
              </SpaceBetween>
            </Container>
            <Container header={<Header variant="h2">Tags</Header>}>
              <TagRows rows={tags} onChange={setTags} tried={tried} />
            </Container>
          </SpaceBetween>
        </Form>
      </form>
    </Page>
  )
}
