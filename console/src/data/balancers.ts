// What pages ask of the Elastic Load Balancing API.
import {
  DescribeListenersCommand,
  DescribeLoadBalancersCommand,
  DescribeTargetGroupsCommand,
  type Listener,
  type LoadBalancer,
  type TargetGroup,
} from '@aws-sdk/client-elastic-load-balancing-v2'

import { elb } from '../aws'
import { all } from './load'

export async function listBalancers(): Promise<LoadBalancer[]> {
  return all(async Marker => {
    const answer = await elb().send(new DescribeLoadBalancersCommand({ Marker }))
    return [answer.LoadBalancers, answer.NextMarker]
  })
}

export async function getBalancer(name: string): Promise<LoadBalancer> {
  const answer = await elb().send(new DescribeLoadBalancersCommand({ Names: [name] }))
  return answer.LoadBalancers![0]!
}

export async function listListeners(LoadBalancerArn: string): Promise<Listener[]> {
  return all(async Marker => {
    const answer = await elb().send(new DescribeListenersCommand({ LoadBalancerArn, Marker }))
    return [answer.Listeners, answer.NextMarker]
  })
}

export async function listTargetGroups(LoadBalancerArn?: string): Promise<TargetGroup[]> {
  return all(async Marker => {
    const answer = await elb().send(new DescribeTargetGroupsCommand({ LoadBalancerArn, Marker }))
    return [answer.TargetGroups, answer.NextMarker]
  })
}

export function urlOf(balancer: LoadBalancer, listener: Listener): string {
  const scheme = listener.Protocol === 'HTTPS' || listener.Protocol === 'TLS' ? 'https' : 'http'
  const standard = scheme === 'https' ? 443 : 80
  return `${scheme}://${balancer.DNSName}${listener.Port === standard ? '' : `:${listener.Port}`}/`
}

/** Where the balancers of a target group answer. */
export async function addressesOf(targetGroupArn: string): Promise<string[]> {
  const group = (await elb().send(new DescribeTargetGroupsCommand({ TargetGroupArns: [targetGroupArn] }))).TargetGroups?.[0]
  const balancers = (await listBalancers()).filter(b => group?.LoadBalancerArns?.includes(b.LoadBalancerArn!))
  const listeners = await Promise.all(balancers.map(b => listListeners(b.LoadBalancerArn!)))
  return balancers.flatMap((balancer, i) => listeners[i]!.map(listener => urlOf(balancer, listener)))
}

/** What CloudWatch calls a balancer or target group: the end of its ARN. */
export function metricName(arn: string | undefined): string {
  const resource = arn?.slice(arn.lastIndexOf(':') + 1) ?? ''
  return resource.replace(/^loadbalancer\//, '')
}

/** "app/NAME/ID/targetgroup/NAME/ID" of a target group behind an application load balancer. */
export async function metricLabelOf(targetGroupArn: string): Promise<string | undefined> {
  const group = (await elb().send(new DescribeTargetGroupsCommand({ TargetGroupArns: [targetGroupArn] }))).TargetGroups?.[0]
  const balancer = metricName(group?.LoadBalancerArns?.[0])
  return balancer.startsWith('app/') ? `${balancer}/${metricName(targetGroupArn)}` : undefined
}
