// Tags: editing them in a form, and showing them.
import type { Tag } from '@aws-sdk/client-ecs'
import AttributeEditor from '@cloudscape-design/components/attribute-editor'
import Input from '@cloudscape-design/components/input'
import Table from '@cloudscape-design/components/table'

import { type PairDraft, tagProblems } from '../data/rules'

export type TagRow = PairDraft

const MOST = 50

export function tagsOf(rows: TagRow[]): Tag[] {
  return rows.map(({ key, value }) => ({ key, value }))
}

export function TagRows({ rows, onChange, tried }: { rows: TagRow[]; onChange: (rows: TagRow[]) => void; tried?: boolean }) {
  const problems = tagProblems(rows)
  // What nobody has filled in yet is not wrong yet; the form will not be sent with it.
  const shown = (i: number, part: keyof TagRow) => (rows[i]?.key === '' && rows[i].value === '' && !tried ? undefined : problems[`[${i}].${part}`])
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
          errorText: (_, i) => shown(i, 'key'),
        },
        {
          label: 'Value',
          control: (row, i) => (
            <Input value={row.value} onChange={e => set(i, { value: e.detail.value })} ariaLabel={`Value of tag ${i + 1}`} />
          ),
          errorText: (_, i) => shown(i, 'value'),
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
