// Active or inactive: which of them a list shows.
import SegmentedControl from '@cloudscape-design/components/segmented-control'

export type DefinitionStatus = 'ACTIVE' | 'INACTIVE'

export function StatusFilter({ status, onChange }: { status: DefinitionStatus; onChange: (status: DefinitionStatus) => void }) {
  return (
    <SegmentedControl
      label="Status"
      selectedId={status}
      onChange={event => onChange(event.detail.selectedId as DefinitionStatus)}
      options={[
        { id: 'ACTIVE', text: 'Active' },
        { id: 'INACTIVE', text: 'Inactive' },
      ]}
    />
  )
}
