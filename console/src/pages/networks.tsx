import type { SecurityGroup, Subnet, Vpc } from '@aws-sdk/client-ec2'
import Tabs from '@cloudscape-design/components/tabs'
import { useNavigate, useParams } from 'react-router-dom'

import { useLoad } from '../data/load'
import { getNetwork, nameOf, ports, sources } from '../data/network'
import { Link } from '../parts/link'
import { List } from '../parts/list'
import { Page } from '../parts/page'
import { Status } from '../parts/status'

export default function Networks() {
  const { tab = 'vpcs' } = useParams()
  const navigate = useNavigate()
  const { data, error, loading } = useLoad(
    getNetwork, [], c => ['vpc', 'subnet', 'security-group', 'network-interface', 'reset'].includes(c.kind))
  const vpcs = (
    <List<Vpc>
      title="VPCs"
      noun="VPC"
      items={data?.vpcs}
      loading={loading}
      id={v => v.VpcId!}
      columns={[
        { id: 'id', header: 'VPC', cell: v => v.VpcId, isRowHeader: true },
        { id: 'name', header: 'Name', cell: v => nameOf(v) ?? '–' },
        { id: 'range', header: 'Range', cell: v => v.CidrBlock },
        { id: 'state', header: 'State', cell: v => <Status of={v.State} /> },
        { id: 'default', header: 'Default', cell: v => (v.IsDefault ? 'Yes' : 'No') },
      ]}
    />
  )
  const subnets = (
    <List<Subnet>
      title="Subnets"
      noun="subnet"
      items={data?.subnets}
      loading={loading}
      id={s => s.SubnetId!}
      columns={[
        { id: 'id', header: 'Subnet', cell: s => s.SubnetId, isRowHeader: true },
        { id: 'name', header: 'Name', cell: s => nameOf(s) ?? '–' },
        { id: 'vpc', header: 'VPC', cell: s => s.VpcId },
        { id: 'range', header: 'Range', cell: s => s.CidrBlock },
        { id: 'zone', header: 'Zone', cell: s => s.AvailabilityZone },
        { id: 'free', header: 'Free addresses', cell: s => s.AvailableIpAddressCount },
      ]}
    />
  )
  const groups = (
    <List<SecurityGroup>
      title="Security groups"
      noun="security group"
      items={data?.groups}
      loading={loading}
      id={g => g.GroupId!}
      columns={[
        { id: 'id', header: 'Security group', cell: g => <Link to={`/networks/groups/${g.GroupId}`}>{g.GroupId}</Link>, isRowHeader: true },
        { id: 'name', header: 'Name', cell: g => g.GroupName },
        { id: 'vpc', header: 'VPC', cell: g => g.VpcId },
        { id: 'inbound', header: 'Inbound', cell: g => g.IpPermissions?.map(r => `${ports(r)} from ${sources(r)}`).join('; ') || 'closed' },
      ]}
    />
  )
  return (
    <Page title="Networks" crumbs={[{ text: 'Networks', href: '/networks' }]} error={error}>
      <Tabs
        ariaLabel="Parts of the networks"
        activeTabId={tab}
        onChange={event => navigate(`/networks/${event.detail.activeTabId}`)}
        tabs={[
          { id: 'vpcs', label: 'VPCs', content: vpcs },
          { id: 'subnets', label: 'Subnets', content: subnets },
          { id: 'groups', label: 'Security groups', content: groups },
        ]}
      />
    </Page>
  )
}
