// Tags: editing them in a form, and showing them.
import { TagResourceCommand, UntagResourceCommand, type Tag } from '@aws-sdk/client-ecs'
import AttributeEditor from '@cloudscape-design/components/attribute-editor'
import Button from '@cloudscape-design/components/button'
import Header from '@cloudscape-design/components/header'
import Input from '@cloudscape-design/components/input'
import Table from '@cloudscape-design/components/table'
import { useState } from 'react'

import { ecs } from '../aws'
import { type PairDraft, tagProblems } from '../data/rules'
import { Confirm } from './confirm'

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

/** Makes the tags of a resource those of the rows. */
async function saveTags(resourceArn: string, before: Tag[], rows: TagRow[]) {
  const gone = before.map(tag => tag.key!).filter(key => !rows.some(row => row.key === key))
  const fresh = rows.filter(row => !before.some(tag => tag.key === row.key && tag.value === row.value))
  // Taken away first: a resource with as many tags as it can have has room for others then.
  if (gone.length > 0) await ecs().send(new UntagResourceCommand({ resourceArn, tagKeys: gone }))
  if (fresh.length > 0) await ecs().send(new TagResourceCommand({ resourceArn, tags: tagsOf(fresh) }))
}

function TagEditor({ arn, tags, close }: { arn: string; tags: Tag[]; close: () => void }) {
  const [rows, setRows] = useState<TagRow[]>(() => tags.map(tag => ({ key: tag.key ?? '', value: tag.value ?? '' })))
  return (
    <Confirm
      title="Manage tags"
      action="Save"
      close={close}
      invalid={Object.keys(tagProblems(rows)).length > 0}
      run={() => saveTags(arn, tags, rows)}
    >
      <TagRows rows={rows} onChange={setRows} />
    </Confirm>
  )
}

/** The tags of a resource of ECS, and the way to change them. */
export function TagTable({ arn, tags }: { arn: string | undefined; tags: Tag[] | undefined }) {
  const [editing, setEditing] = useState(false)
  const manage = <Button onClick={() => setEditing(true)}>Manage tags</Button>
  return (
    <>
      <Table
        header={<Header variant="h2" counter={`(${tags?.length ?? 0})`} actions={manage}>Tags</Header>}
        items={tags ?? []}
        empty="No tags. They help to tell resources apart, and to find out what belongs to whom."
        ariaLabels={{ tableLabel: 'Tags' }}
        columnDefinitions={[
          { id: 'key', header: 'Key', cell: tag => tag.key, isRowHeader: true },
          { id: 'value', header: 'Value', cell: tag => tag.value },
        ]}
      />
      {editing && arn && <TagEditor arn={arn} tags={tags ?? []} close={() => setEditing(false)} />}
    </>
  )
}
