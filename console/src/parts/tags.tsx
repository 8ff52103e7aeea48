// Tags: editing them in a form, and showing them.
import type { Tag } from '@aws-sdk/client-ecs'
import AttributeEditor from '@cloudscape-design/components/attribute-editor'
import Input from '@cloudscape-design/components/input'
import Table from '@cloudscape-design/components/table'

export interface TagRow {
  key: string
  value: string
}

const MOST = 50

export function tagsOf(rows: TagRow[]): Tag[] {
  return rows.filter(row => row.key !== '').map(({ key, value }) => ({ key, value }))
}

function keyProblem(rows: TagRow[], row: TagRow): string | undefined {
  if (row.key.toLowerCase().startsWith('aws:')) return 'Keys that begin with aws: are reserved.'
  if (row.key.length > 128) return 'At most 128 characters.'
  if (row.key !== '' && rows.filter(other => other.key === row.key).length > 1) return 'This key is given twice.'
  return undefined
}

export function TagRows({ rows, onChange }: { rows: TagRow[]; onChange: (rows: TagRow[]) => void }) {
  const set = (index: number, change: Partial<TagRow>) => onChange(rows.map((row, i) => (i === index ? { ...row, ...change } : row)))
  return (
    <AttributeEditor
      items={rows}
      addButtonText="Add tag"
      removeButtonText="Remove"
      empty="No tags."
      disableAddButton={rows.length >= MOST}
      onAddButtonClick={() => onChange([...rows, { key: '', value: '' }])}
      onRemoveButtonClick={event => onChange(rows.filter((_, i) => i !== event.detail.itemIndex))}
      definition={[
        {
          label: 'Key',
          control: (row, i) => <Input value={row.key} onChange={e => set(i, { key: e.detail.value })} ariaLabel={`Key of tag ${i + 1}`} />,
          errorText: row => keyProblem(rows, row),
        },
        {
          label: 'Value',
          control: (row, i) => (
            <Input value={row.value} onChange={e => set(i, { value: e.detail.value })} ariaLabel={`Value of tag ${i + 1}`} />
          ),
          errorText: row => (row.value.length > 256 ? 'At most 256 characters.' : undefined),
        },
      ]}
    />
  )
}

export function TagTable({ tags }: { tags: Tag[] | undefined }) {
  return (
    <Table
      variant="embedded"
      items={tags ?? []}
      empty="No tags."
      ariaLabels={{ tableLabel: 'Tags' }}
      columnDefinitions={[
        { id: 'key', header: 'Key', cell: tag => tag.key, isRowHeader: true },
        { id: 'value', header: 'Value', cell: tag => tag.value },
      ]}
    />
  )
}
