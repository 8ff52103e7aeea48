// What a task is run with instead of what its definition says: commands and environment of its containers.
import type { TaskDefinition } from '@aws-sdk/client-ecs'
import AttributeEditor from '@cloudscape-design/components/attribute-editor'
import Container from '@cloudscape-design/components/container'
import ExpandableSection from '@cloudscape-design/components/expandable-section'
import Header from '@cloudscape-design/components/header'
import Input from '@cloudscape-design/components/input'
import SpaceBetween from '@cloudscape-design/components/space-between'

import { commandProblem } from '../data/draft'
import { keyProblem, noOverride, type OverrideDraft, type OverrideDrafts } from '../data/overrides'
import type { PairDraft } from '../data/rules'
import { TextField } from './fields'

function One({ name, draft, onChange, tried }: { name: string; draft: OverrideDraft; onChange: (draft: OverrideDraft) => void; tried: boolean }) {
  const set = (i: number, change: Partial<PairDraft>) =>
    onChange({ ...draft, environment: draft.environment.map((pair, n) => (n === i ? { ...pair, ...change } : pair)) })
  return (
    <Container header={<Header variant="h3">{name}</Header>}>
      <SpaceBetween size="m">
        <TextField
          label={`Command of ${name}`}
          hint="Words separated by blanks; empty: as the task definition says."
          value={draft.command}
          onChange={command => onChange({ ...draft, command })}
          problem={commandProblem('Command', draft.command)}
        />
        <AttributeEditor
          items={draft.environment}
          addButtonText="Add environment variable"
          removeButtonText="Remove"
          empty="No environment variables besides those of the task definition."
          onAddButtonClick={() => onChange({ ...draft, environment: [...draft.environment, { key: '', value: '' }] })}
          onRemoveButtonClick={event => onChange({ ...draft, environment: draft.environment.filter((_, i) => i !== event.detail.itemIndex) })}
          definition={[
            {
              label: 'Key',
              control: (pair, i) => <Input value={pair.key} onChange={e => set(i, { key: e.detail.value })} ariaLabel={`Variable ${i + 1} of ${name}`} />,
              errorText: (pair, i) => (tried || pair.key ? keyProblem(draft, i) : undefined),
            },
            {
              label: 'Value',
              control: (pair, i) => <Input value={pair.value} onChange={e => set(i, { value: e.detail.value })} ariaLabel={`Value ${i + 1} of ${name}`} />,
            },
          ]}
        />
      </SpaceBetween>
    </Container>
  )
}

interface Props {
  definition: TaskDefinition
  drafts: OverrideDrafts
  onChange: (drafts: OverrideDrafts) => void
  tried: boolean
}

export function OverridesForm({ definition, drafts, onChange, tried }: Props) {
  return (
    <ExpandableSection headerText="Container overrides" headerDescription="Another command or other environment variables, for this run only." variant="container">
      <SpaceBetween size="m">
        {(definition.containerDefinitions ?? []).map(({ name = '' }) => (
          <One key={name} name={name} draft={drafts[name] ?? noOverride} tried={tried} onChange={draft => onChange({ ...drafts, [name]: draft })} />
        ))}
      </SpaceBetween>
    </ExpandableSection>
  )
}
