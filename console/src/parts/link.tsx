// A link inside the application.
import CloudscapeLink from '@cloudscape-design/components/link'
import type { ReactNode } from 'react'
import { useHref, useNavigate } from 'react-router-dom'

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
