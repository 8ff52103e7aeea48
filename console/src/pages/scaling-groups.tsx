import type { AutoScalingGroup } from '@aws-sdk/client-auto-scaling'

import { useLoad } from '../data/load'
import { listGroups, templateOf } from '../data/scaling-groups'
import { Link } from '../parts/link'
import { List } from '../parts/list'
import { ErrorAlert, useTitle } from '../parts/page'

export default function ScalingGroups() {
  useTitle('Auto Scaling groups')
  const { data, error, loading } = useLoad(listGroups, [], c => ['auto-scaling-group', 'machine', 'reset'].includes(c.kind))
  return (
    <>
      <ErrorAlert error={error} />
      <List<AutoScalingGroup>
        fullPage
        title="Auto Scaling groups"
        noun="Auto Scaling group"
        items={data}
        loading={loading}
        id={g => g.AutoScalingGroupName!}
        description="Machines that come when tasks wait for room, and go when they are empty."
        empty="The server needs a machine driver (gantry server --machine-driver); then aws autoscaling create-auto-scaling-group makes one."
        columns={[
          { id: 'name', header: 'Name', cell: g => <Link to={`/scaling-groups/${encodeURIComponent(g.AutoScalingGroupName!)}`}>{g.AutoScalingGroupName}</Link>, sortingField: 'AutoScalingGroupName', isRowHeader: true },
          { id: 'machines', header: 'Machines', cell: g => `${g.Instances?.length ?? 0} of ${g.DesiredCapacity}` },
          { id: 'limits', header: 'Minimum and maximum', cell: g => `${g.MinSize} to ${g.MaxSize}` },
          { id: 'template', header: 'Made from', cell: templateOf },
          { id: 'zones', header: 'Zones', cell: g => g.AvailabilityZones?.join(', ') },
        ]}
      />
    </>
  )
}
