import Button from '@cloudscape-design/components/button'
import { useState } from 'react'
import { useNavigate } from 'react-router-dom'

import { listFamilies } from '../data/ecs'
import { useLoad } from '../data/load'
import { Link } from '../parts/link'
import { List } from '../parts/list'
import { ErrorAlert, useTitle } from '../parts/page'
import { type DefinitionStatus, StatusFilter } from '../parts/status-filter'

export default function TaskDefinitions() {
  useTitle('Task definitions')
  const navigate = useNavigate()
  const [status, setStatus] = useState<DefinitionStatus>('ACTIVE')
  const { data, error, loading } = useLoad(() => listFamilies(status), [status], c => c.kind.startsWith('task-definition') || c.kind === 'reset')
  const create = <Button variant="primary" onClick={() => navigate('/task-definitions/create')}>Create new task definition</Button>
  return (
    <>
      <ErrorAlert error={error} />
      <List<string>
        fullPage
        title="Task definitions"
        noun="task definition"
        items={data}
        loading={loading}
        id={family => family}
        actions={create}
        empty={create}
        filters={<StatusFilter status={status} onChange={setStatus} />}
        columns={[
          { id: 'family', header: 'Task definition', cell: f => <Link to={`/task-definitions/${f}`}>{f}</Link>, isRowHeader: true },
        ]}
      />
    </>
  )
}
