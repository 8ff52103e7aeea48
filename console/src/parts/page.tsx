// What every page has: where it is, what it is called, what went wrong.
import Alert from '@cloudscape-design/components/alert'
import BreadcrumbGroup from '@cloudscape-design/components/breadcrumb-group'
import Button from '@cloudscape-design/components/button'
import ContentLayout from '@cloudscape-design/components/content-layout'
import Header from '@cloudscape-design/components/header'
import SpaceBetween from '@cloudscape-design/components/space-between'
import { type ReactNode, useEffect } from 'react'
import { useNavigate } from 'react-router-dom'

import { signOut } from '../session'
import { hrefOf, wayOf } from './link'

export interface Crumb {
  text: string
  href: string
}

/** Breadcrumbs that navigate inside the application. The last one is the page itself. */
export function Crumbs({ items }: { items: Crumb[] }) {
  const navigate = useNavigate()
  return (
    <BreadcrumbGroup
      items={items.map(({ text, href }) => ({ text, href: href && hrefOf(href) }))}
      ariaLabel="Breadcrumbs"
      onFollow={event => {
        event.preventDefault()
        navigate(wayOf(event.detail.href))
      }}
    />
  )
}

let visited = false

/** After a way to another page the focus is on its heading, unless a field there has it: where a screen reader goes on. */
function focusHeading() {
  const main = document.querySelector('main')
  const heading = main?.querySelector('h1')
  if (heading && !main?.contains(document.activeElement)) {
    heading.tabIndex = -1
    heading.focus({ preventScroll: true })
  }
}

export function useTitle(title: string) {
  useEffect(() => {
    document.title = `${title} · Gantry`
  }, [title])
  useEffect(() => {
    if (visited) focusHeading()
    visited = true
  }, [])
}

const GONE = /^(ExpiredToken|UnrecognizedClient|InvalidClientTokenId)/

/** What went wrong, in words that say what to do. */
export function ErrorAlert({ error }: { error: Error | undefined }) {
  if (!error) return null
  if (error instanceof TypeError)
    return <Alert type="error" header="The server does not answer">This page goes on by itself as soon as it does.</Alert>
  if (GONE.test(error.name))
    return (
      <Alert type="error" header="You are not signed in any more" action={<Button onClick={signOut}>Sign in again</Button>}>
        {error.message}
      </Alert>
    )
  return (
    <Alert type="error" header={error.name === 'Error' ? undefined : error.name}>
      {error.message}
      {error.name.startsWith('AccessDenied') && ' The keys that you are signed in with do not allow this: sign out and use others (gantry console prints a link for those of the administrator).'}
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
