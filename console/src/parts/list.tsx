// A table that every list page uses: filter, sorting, pages, selection, an empty state that says what to do.
import { useCollection } from '@cloudscape-design/collection-hooks'
import Box from '@cloudscape-design/components/box'
import Header from '@cloudscape-design/components/header'
import Pagination from '@cloudscape-design/components/pagination'
import SpaceBetween from '@cloudscape-design/components/space-between'
import Table, { type TableProps } from '@cloudscape-design/components/table'
import TextFilter from '@cloudscape-design/components/text-filter'
import type { ReactNode } from 'react'

interface ListProps<T> {
  /** "Clusters" */
  title: string
  /** "cluster" */
  noun: string
  /** Of a noun that does not take an s: "policies". */
  nouns?: string
  items: T[] | undefined
  loading: boolean
  id: (item: T) => string
  columns: TableProps.ColumnDefinition<T>[]
  actions?: ReactNode
  empty?: ReactNode
  description?: ReactNode
  fullPage?: boolean
  filters?: ReactNode
  selected?: T[]
  onSelect?: (items: T[]) => void
  multi?: boolean
  pageSize?: number
  wrapLines?: boolean
}

function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <Box textAlign="center" color="inherit" margin={{ vertical: 'xs' }}>
      <SpaceBetween size="xs">
        <b>{title}</b>
        {children}
      </SpaceBetween>
    </Box>
  )
}

export function List<T>(props: ListProps<T>) {
  const { title, noun, items, loading, id, columns, actions, empty, selected, onSelect } = props
  const nouns = props.nouns ?? `${noun}s`
  const collection = useCollection(items ?? [], {
    filtering: { empty: <Empty title={`No ${nouns}`}>{empty}</Empty>, noMatch: <Empty title="No matches" /> },
    pagination: { pageSize: props.pageSize ?? 50 },
    sorting: {},
  })
  const count = items && (selected?.length ? `(${selected.length}/${items.length})` : `(${items.length})`)
  return (
    <Table
      {...collection.collectionProps}
      variant={props.fullPage ? 'full-page' : 'container'}
      stickyHeader={props.fullPage}
      wrapLines={props.wrapLines}
      trackBy={id}
      items={collection.items}
      loading={loading && !items}
      loadingText={`Loading ${nouns}`}
      columnDefinitions={columns}
      selectionType={onSelect ? (props.multi ? 'multi' : 'single') : undefined}
      selectedItems={selected}
      onSelectionChange={onSelect && (event => onSelect(event.detail.selectedItems))}
      ariaLabels={{
        tableLabel: title,
        selectionGroupLabel: `Selection of ${nouns}`,
        itemSelectionLabel: (_, item) => `Select ${id(item)}`,
        allItemsSelectionLabel: () => `Select all ${nouns}`,
      }}
      header={
        <Header variant={props.fullPage ? 'awsui-h1-sticky' : 'h2'} counter={count} actions={actions} description={props.description}>
          {title}
        </Header>
      }
      filter={
        <SpaceBetween direction="horizontal" size="xs">
          <TextFilter
            {...collection.filterProps}
            filteringPlaceholder={`Find ${nouns}`}
            filteringAriaLabel={`Find ${nouns}`}
            countText={`${collection.filteredItemsCount} matches`}
          />
          {props.filters}
        </SpaceBetween>
      }
      pagination={
        <Pagination
          {...collection.paginationProps}
          ariaLabels={{ nextPageLabel: 'Next page', previousPageLabel: 'Previous page', pageLabel: n => `Page ${n}` }}
        />
      }
    />
  )
}
