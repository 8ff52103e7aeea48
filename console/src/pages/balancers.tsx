import type { LoadBalancer } from '@aws-sdk/client-elastic-load-balancing-v2'

import { listBalancers } from '../data/balancers'
import { useLoad } from '../data/load'
import { Link } from '../parts/link'
import { List } from '../parts/list'
import { ErrorAlert, useTitle } from '../parts/page'
import { Status } from '../parts/status'

export default function Balancers() {
  useTitle('Load balancers')
  const { data, error, loading } = useLoad(listBalancers, [], c => c.kind === 'load-balancer' || c.kind === 'reset')
  return (
    <>
      <ErrorAlert error={error} />
      <List<LoadBalancer>
        fullPage
        title="Load balancers"
        noun="load balancer"
        items={data}
        loading={loading}
        id={b => b.LoadBalancerArn!}
        empty="The service wizard makes one; so does aws elbv2 create-load-balancer."
        columns={[
          { id: 'name', header: 'Name', cell: b => <Link to={`/load-balancers/${b.LoadBalancerName}`}>{b.LoadBalancerName}</Link>, isRowHeader: true },
          { id: 'state', header: 'State', cell: b => <Status of={b.State?.Code} /> },
          { id: 'type', header: 'Type', cell: b => b.Type },
          { id: 'scheme', header: 'Scheme', cell: b => b.Scheme },
          { id: 'dns', header: 'DNS name', cell: b => b.DNSName },
          { id: 'vpc', header: 'VPC', cell: b => b.VpcId },
        ]}
      />
    </>
  )
}
