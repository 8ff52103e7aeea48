import Button from '@cloudscape-design/components/button'
import Container from '@cloudscape-design/components/container'
import Header from '@cloudscape-design/components/header'
import SpaceBetween from '@cloudscape-design/components/space-between'
import { useState } from 'react'
import { useNavigate, useParams } from 'react-router-dom'

import { requestFrom } from '../data/draft'
import { diff } from '../data/diff'
import { getTaskDefinition, listRevisions } from '../data/ecs'
import { useLoad } from '../data/load'
import { asJson } from '../data/show'
import { Link } from '../parts/link'
import { List } from '../parts/list'
import { Page } from '../parts/page'
import { type DefinitionStatus, StatusFilter } from '../parts/status-filter'

const marks = { same: ' ', old: '-', new: '+' }

function Difference({ older, newer }: { older: string; newer: string }) {
  const { data, error } = useLoad(() => Promise.all([getTaskDefinition(older), getTaskDefinition(newer)]), [older, newer], () => false)
  const lines = data && diff(asJson(requestFrom(data[0])), asJson(requestFrom(data[1])))
  return (
    <Container header={<Header variant="h2">{`From ${older} to ${newer}`}</Header>}>
      {error?.message}
      <pre className="diff" tabIndex={0} aria-label={`Difference from ${older} to ${newer}`}>
        {lines?.map((line, i) => (
          <div key={i} className={`diff-${line.kind}`}>
            {marks[line.kind]} {line.text}
          </div>
        ))}
      </pre>
    </Container>
  )
}

function revisionOf(name: string): number {
  return Number(name.slice(name.lastIndexOf(':') + 1))
}

export default function Family() {
  const { family = '' } = useParams()
  const navigate = useNavigate()
  const [status, setStatus] = useState<DefinitionStatus>('ACTIVE')
  const [selected, setSelected] = useState<string[]>([])
  const { data, error, loading } = useLoad(() => listRevisions(family, status), [family, status], c => c.kind === 'task-definition' || c.kind === 'reset')
  const pair = [...selected].sort((a, b) => revisionOf(a) - revisionOf(b))
  return (
    <Page
      title={family}
      crumbs={[{ text: 'Task definitions', href: '/task-definitions' }, { text: family, href: '' }]}
      error={error}
      actions={
        <Button variant="primary" onClick={() => navigate(`/task-definitions/create?from=${family}`)}>
          Create new revision
        </Button>
      }
    >
      <SpaceBetween size="l">
        <List<string>
          title="Revisions"
          noun="revision"
          items={data}
          loading={loading}
          id={name => name}
          multi
          selected={selected}
          onSelect={items => setSelected(items.slice(-2))}
          description="Select two to see what changed between them."
          filters={<StatusFilter status={status} onChange={setStatus} />}
          columns={[
            {
              id: 'name',
              header: 'Task definition: revision',
              cell: name => <Link to={`/task-definitions/${family}/${revisionOf(name)}`}>{name}</Link>,
              isRowHeader: true,
            },
          ]}
        />
        {pair.length === 2 && <Difference older={pair[0]!} newer={pair[1]!} />}
      </SpaceBetween>
    </Page>
  )
}
