// What every page has: where it is, what it is called, what went wrong.
import Alert from '@cloudscape-design/components/alert'
import BreadcrumbGroup from '@cloudscape-design/components/breadcrumb-group'
import ContentLayout from '@cloudscape-design/components/content-layout'
import Header from '@cloudscape-design/components/header'
import SpaceBetween from '@cloudscape-design/components/space-between'
import { type ReactNode, useEffect } from 'react'
import { useNavigate } from 'react-router-dom'

export interface Crumb {
  text: string
  href: string
}

/** Breadcrumbs that navigate inside the application. The last one is the page itself. */
export function Crumbs({ items }: { items: Crumb[] }) {
  const navigate = useNavigate()
  return (
    <BreadcrumbGroup
      items={items}
      ariaLabel="Breadcrumbs"
      onFollow={event => {
        event.preventDefault()
        navigate(event.detail.href)
      }}
    />
  )
}

export function useTitle(title: string) {
  useEffect(() => {
    document.title = `${title} · Gantry`
  }, [title])
}

export function ErrorAlert({ error }: { error: Error | undefined }) {
  if (!error) return null
  return (
    <Alert type="error" header={error.name === 'Error' ? undefined : error.name}>
      {error.message}
    </Alert>
  )
}

interface PageProps {
  title: string
  crumbs: Crumb[]
  description?: ReactNode
  actions?: ReactNode
  error?: Error
  children: ReactNode
}

export function Page({ title, crumbs, description, actions, error, children }: PageProps) {
  useTitle(title)
  return (
    <ContentLayout
      breadcrumbs={<Crumbs items={crumbs} />}
      header={
        <Header variant="h1" description={description} actions={actions}>
          {title}
        </Header>
      }
    >
      <SpaceBetween size="l">
        <ErrorAlert error={error} />
        {children}
      </SpaceBetween>
    </ContentLayout>
  )
}
