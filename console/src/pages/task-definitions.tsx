import Button from '@cloudscape-design/components/button'
import SegmentedControl from '@cloudscape-design/components/segmented-control'
import { useState } from 'react'
import { useNavigate } from 'react-router-dom'

import { listFamilies } from '../data/ecs'
import { useLoad } from '../data/load'
import { Link } from '../parts/link'
import { List } from '../parts/list'
import { ErrorAlert, useTitle } from '../parts/page'

export default function TaskDefinitions() {
  useTitle('Task definitions')
  const navigate = useNavigate()
  const [status, setStatus] = useState<'ACTIVE' | 'INACTIVE'>('ACTIVE')
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
        filters={
          <SegmentedControl
            label="Status"
            selectedId={status}
            onChange={event => setStatus(event.detail.selectedId as 'ACTIVE' | 'INACTIVE')}
            options={[
              { id: 'ACTIVE', text: 'Active' },
              { id: 'INACTIVE', text: 'Inactive' },
            ]}
          />
        }
        columns={[
          { id: 'family', header: 'Task definition', cell: f => <Link to={`/task-definitions/${f}`}>{f}</Link>, isRowHeader: true },
        ]}
      />
    </>
  )
}
