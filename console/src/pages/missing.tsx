import Button from '@cloudscape-design/components/button'
import { useLocation, useNavigate } from 'react-router-dom'

import { Page } from '../parts/page'

/** For an address that nothing is at. */
export function Missing() {
  const navigate = useNavigate()
  const { pathname } = useLocation()
  return (
    <Page
      title="There is no such page"
      crumbs={[{ text: 'Clusters', href: '/clusters' }, { text: 'Not found', href: '' }]}
      description={`Nothing is at ${pathname}. What was there may have been deleted.`}
    >
      <Button onClick={() => navigate('/clusters')}>Go to the clusters</Button>
    </Page>
  )
}
