import { DescribeTargetHealthCommand, type Action, type Listener, type TargetGroup, type TargetHealthDescription } from '@aws-sdk/client-elastic-load-balancing-v2'
import Container from '@cloudscape-design/components/container'
import Header from '@cloudscape-design/components/header'
import Link from '@cloudscape-design/components/link'
import SpaceBetween from '@cloudscape-design/components/space-between'
import { useParams } from 'react-router-dom'

import { elb } from '../aws'
import { getBalancer, listListeners, listTargetGroups, urlOf } from '../data/balancers'
import { useLoad } from '../data/load'
import { Arn } from '../parts/arn'
import { Charts } from '../parts/charts'
import { Facts } from '../parts/facts'
import { List } from '../parts/list'
import { balancerPanels } from '../parts/metric-panels'
import { ErrorAlert, Page } from '../parts/page'
import { Status } from '../parts/status'

/** "forward to web", "redirect", "fixed-response". */
function actionInWords(action: Action): string {
  const groups = action.ForwardConfig?.TargetGroups?.map(g => g.TargetGroupArn) ?? [action.TargetGroupArn]
  const names = groups.filter(Boolean).map(arn => arn!.split('/')[1])
  return names.length > 0 ? `${action.Type} to ${names.join(', ')}` : (action.Type ?? '')
}

async function getAll(name: string) {
  const balancer = await getBalancer(name)
  const [listeners, groups] = await Promise.all([listListeners(balancer.LoadBalancerArn!), listTargetGroups(balancer.LoadBalancerArn)])
  return { balancer, listeners, groups }
}

function TargetHealth({ group }: { group: TargetGroup }) {
  const { data, error, loading } = useLoad(
    async () => (await elb().send(new DescribeTargetHealthCommand({ TargetGroupArn: group.TargetGroupArn }))).TargetHealthDescriptions ?? [],
    [group.TargetGroupArn],
  )
  return (
    <>
      <ErrorAlert error={error} />
      <List<TargetHealthDescription>
        title={`Targets of ${group.TargetGroupName}`}
        noun="target"
        items={data}
        loading={loading}
        id={t => `${t.Target?.Id}:${t.Target?.Port}`}
        description={`${group.Protocol} ${group.TargetType}, health check ${group.HealthCheckPath ?? group.HealthCheckProtocol} every ${group.HealthCheckIntervalSeconds} s`}
        columns={[
          { id: 'target', header: 'Target', cell: t => `${t.Target?.Id}:${t.Target?.Port}`, isRowHeader: true },
          { id: 'health', header: 'Health', cell: t => <Status of={t.TargetHealth?.State} /> },
          { id: 'reason', header: 'Reason', cell: t => t.TargetHealth?.Description ?? t.TargetHealth?.Reason ?? '' },
        ]}
      />
    </>
  )
}

export default function Balancer() {
  const { name = '' } = useParams()
  const { data, error } = useLoad(() => getAll(name), [name], c => ['load-balancer', 'listener', 'listener-rule', 'target-group', 'reset'].includes(c.kind))
  return (
    <Page title={name} crumbs={[{ text: 'Load balancers', href: '/load-balancers' }, { text: name, href: '' }]} error={error}>
      {data && (
        <SpaceBetween size="l">
          <Container header={<Header variant="h2">Details</Header>}>
            <Facts
              items={[
                ['State', <Status of={data.balancer.State?.Code} />],
                ['Type', data.balancer.Type],
                ['DNS name', <Arn of={data.balancer.DNSName} />],
                ['VPC', data.balancer.VpcId],
                ['Subnets', data.balancer.AvailabilityZones?.map(z => z.SubnetId).join(', ')],
                ['Security groups', data.balancer.SecurityGroups?.join(', ')],
                ['ARN', <Arn of={data.balancer.LoadBalancerArn} />],
              ]}
            />
          </Container>
          <List<Listener>
            title="Listeners"
            noun="listener"
            items={data.listeners}
            loading={false}
            id={l => l.ListenerArn!}
            columns={[
              {
                id: 'port',
                header: 'Listener',
                cell: l => (
                  <Link external href={urlOf(data.balancer, l)}>{`${l.Protocol} ${l.Port}`}</Link>
                ),
                isRowHeader: true,
              },
              { id: 'action', header: 'Default action', cell: l => l.DefaultActions?.map(actionInWords).join(', ') },
            ]}
          />
          <Charts panels={balancerPanels(data.balancer, data.groups)} />
          {data.groups.map(group => <TargetHealth key={group.TargetGroupArn} group={group} />)}
        </SpaceBetween>
      )}
    </Page>
  )
}
