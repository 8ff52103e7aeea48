// Names and values side by side.
import KeyValuePairs from '@cloudscape-design/components/key-value-pairs'
import type { ReactNode } from 'react'

export function Facts({ items, columns = 4 }: { items: [string, ReactNode][]; columns?: number }) {
  return <KeyValuePairs columns={columns} items={items.map(([label, value]) => ({ label, value: value ?? '–' }))} />
}
