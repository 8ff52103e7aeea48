// The form fields that forms here are made of: each with its label, its problem, and nothing else to say.
import FormField from '@cloudscape-design/components/form-field'
import Input, { type InputProps } from '@cloudscape-design/components/input'
import Select, { type SelectProps } from '@cloudscape-design/components/select'
import type { ReactNode } from 'react'

interface Common {
  label: string
  hint?: ReactNode
  problem?: string
  disabled?: boolean
}

interface TextProps extends Common {
  value: string
  onChange: (value: string) => void
  placeholder?: string
  type?: InputProps.Type
  inputMode?: InputProps.InputMode
  autoFocus?: boolean
}

export function TextField({ label, hint, problem, value, onChange, ...input }: TextProps) {
  return (
    <FormField label={label} constraintText={hint} errorText={problem} stretch>
      <Input value={value} onChange={event => onChange(event.detail.value)} {...input} />
    </FormField>
  )
}

interface ChoiceProps extends Common {
  value: string
  onChange: (value: string) => void
  /** Values, or values with what people read. */
  options: (string | SelectProps.Option)[]
  filter?: boolean
  loading?: boolean
  placeholder?: string
}

export function ChoiceField({ label, hint, problem, value, onChange, options, filter, loading, ...select }: ChoiceProps) {
  const choices = options.map(option => (typeof option === 'string' ? { value: option, label: option } : option))
  return (
    <FormField label={label} constraintText={hint} errorText={problem} stretch>
      <Select
        selectedOption={choices.find(choice => choice.value === value) ?? (value ? { value, label: value } : null)}
        options={choices}
        onChange={event => onChange(event.detail.selectedOption.value ?? '')}
        filteringType={filter ? 'auto' : 'none'}
        statusType={loading ? 'loading' : 'finished'}
        {...select}
      />
    </FormField>
  )
}
