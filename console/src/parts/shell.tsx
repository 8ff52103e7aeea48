// The frame around every page: who is signed in, where one can go, what has just happened.
import AppLayout from '@cloudscape-design/components/app-layout'
import SideNavigation from '@cloudscape-design/components/side-navigation'
import TopNavigation from '@cloudscape-design/components/top-navigation'
import { Mode } from '@cloudscape-design/global-styles'
import { type ReactNode, useState } from 'react'
import { useLocation, useNavigate } from 'react-router-dom'

import { signOut, useSession } from '../session'
import { Flashes } from './flash'
import { hrefOf, wayOf } from './link'
import { useMode } from './theme'

const places = [
  { type: 'link' as const, text: 'Clusters', href: '/clusters' },
  { type: 'link' as const, text: 'Task definitions', href: '/task-definitions' },
  { type: 'link' as const, text: 'Auto Scaling groups', href: '/scaling-groups' },
  { type: 'link' as const, text: 'Load balancers', href: '/load-balancers' },
  { type: 'link' as const, text: 'Networks', href: '/networks' },
  { type: 'link' as const, text: 'Logs', href: '/logs' },
  { type: 'link' as const, text: 'Alarms', href: '/alarms' },
  { type: 'link' as const, text: 'Settings', href: '/settings' },
]

export function Shell({ children }: { children: ReactNode }) {
  const session = useSession()
  const navigate = useNavigate()
  const location = useLocation()
  const [mode, toggleMode] = useMode()
  // The layout's own choice is made before it knows its width, and differs from load to load.
  const [open, setOpen] = useState(() => window.matchMedia('(min-width: 689px)').matches)
  const active = places.find(place => location.pathname.startsWith(place.href))
  return (
    <>
      <a
        className="skip"
        href="#content"
        onClick={event => {
          event.preventDefault()
          document.getElementById('content')?.focus()
        }}
      >
        Skip to the content
      </a>
      <div id="top">
        <TopNavigation
          identity={{
            href: hrefOf('/clusters'),
            title: 'Gantry',
            onFollow: event => {
              event.preventDefault()
              navigate('/clusters')
            },
          }}
          utilities={[
            { type: 'button', text: mode === Mode.Dark ? 'Light mode' : 'Dark mode', onClick: toggleMode },
            {
              type: 'menu-dropdown',
              text: session?.region ?? '',
              description: `Account ${session?.account ?? ''}`,
              items: [{ id: 'sign-out', text: 'Sign out' }],
              onItemClick: signOut,
            },
          ]}
        />
      </div>
      <Flashes>
        {bar => (
          <AppLayout
            headerSelector="#top"
            ariaLabels={{ navigation: 'Services', navigationClose: 'Close navigation', navigationToggle: 'Open navigation', notifications: 'Messages' }}
            navigation={
              <SideNavigation
                activeHref={active && hrefOf(active.href)}
                header={{ text: 'Elastic Container Service', href: hrefOf('/clusters') }}
                items={places.map(place => ({ ...place, href: hrefOf(place.href) }))}
                onFollow={event => {
                  if (event.detail.external) return
                  event.preventDefault()
                  navigate(wayOf(event.detail.href))
                }}
              />
            }
            navigationOpen={open}
            onNavigationChange={event => setOpen(event.detail.open)}
            notifications={bar}
            toolsHide
            content={
              <div id="content" tabIndex={-1}>
                {children}
              </div>
            }
          />
        )}
      </Flashes>
    </>
  )
}
