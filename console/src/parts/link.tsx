// A link inside the application.
import CloudscapeLink from '@cloudscape-design/components/link'
import type { ReactNode } from 'react'
import { useHref, useNavigate } from 'react-router-dom'

const BASE = '/console'

/** For components that want an address: it is good in another tab, too. */
export function hrefOf(to: string): string {
  return `${BASE}${to}`
}

/** Where an address of `hrefOf` leads inside the application. */
export function wayOf(href: string): string {
  return href.startsWith(`${BASE}/`) ? href.slice(BASE.length) : href
}

export function Link({ to, children }: { to: string; children: ReactNode }) {
  const navigate = useNavigate()
  const href = useHref(to)
  return (
    <CloudscapeLink
      href={href}
      onFollow={event => {
        if (event.detail.external) return
        event.preventDefault()
        navigate(to)
      }}
    >
      {children}
    </CloudscapeLink>
  )
}
