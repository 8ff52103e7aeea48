import type { Service } from '@aws-sdk/client-ecs'
import { DescribeTargetHealthCommand, type TargetHealthDescription } from '@aws-sdk/client-elastic-load-balancing-v2'
import Container from '@cloudscape-design/components/container'
import Header from '@cloudscape-design/components/header'
import SpaceBetween from '@cloudscape-design/components/space-between'

import { elb } from '../aws'
import { addressesOf } from '../data/balancers'
import { useLoad } from '../data/load'
import { getNetwork, ports, sources } from '../data/network'
import { Facts } from '../parts/facts'
import { List } from '../parts/list'
import { ErrorAlert } from '../parts/page'
import { Status } from '../parts/status'

function Targets({ arn }: { arn: string }) {
  const { data, error, loading } = useLoad(
    async () => (await elb().send(new DescribeTargetHealthCommand({ TargetGroupArn: arn }))).TargetHealthDescriptions ?? [],
    [arn],
    c => ['target', 'target-group', 'task', 'reset'].includes(c.kind),
  )
  const { data: addresses } = useLoad(() => addressesOf(arn), [arn], () => false)
  return (
    <>
      <ErrorAlert error={error} />
      <List<TargetHealthDescription>
        title="Targets"
        noun="target"
        items={data}
        loading={loading}
        id={t => `${t.Target?.Id}:${t.Target?.Port}`}
        description={addresses?.map(url => <a key={url} href={url} target="_blank" rel="noreferrer">{url}</a>)}
        columns={[
          { id: 'target', header: 'Target', cell: t => `${t.Target?.Id}:${t.Target?.Port}`, isRowHeader: true },
          { id: 'zone', header: 'Zone', cell: t => t.Target?.AvailabilityZone ?? '–' },
          { id: 'health', header: 'Health', cell: t => <Status of={t.TargetHealth?.State} /> },
          { id: 'reason', header: 'Reason', cell: t => t.TargetHealth?.Description ?? t.TargetHealth?.Reason ?? '' },
        ]}
      />
    </>
  )
}

export function ServiceNetwork({ service }: { service: Service }) {
  const vpc = service.networkConfiguration?.awsvpcConfiguration
  const { data: network } = useLoad(async () => (vpc ? getNetwork() : undefined), [service.serviceArn], c => c.kind === 'security-group')
  const groups = network?.groups.filter(g => vpc?.securityGroups?.includes(g.GroupId!)) ?? []
  return (
    <SpaceBetween size="l">
      {vpc && (
        <Container header={<Header variant="h2">Network</Header>}>
          <Facts
            items={[
              ['Subnets', vpc.subnets?.join(', ')],
              ['Security groups', vpc.securityGroups?.join(', ')],
              ['Public IP', vpc.assignPublicIp],
              ['Inbound', groups.flatMap(g => g.IpPermissions ?? []).map(rule => `${ports(rule)} from ${sources(rule)}`).join('; ') || 'closed'],
            ]}
          />
        </Container>
      )}
      {service.loadBalancers?.map(b => b.targetGroupArn && <Targets key={b.targetGroupArn} arn={b.targetGroupArn} />)}
      {!vpc && !service.loadBalancers?.length && 'No balancer; ports are those of the container instances (see the tasks).'}
    </SpaceBetween>
  )
}
