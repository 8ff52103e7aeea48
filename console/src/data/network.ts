// What pages ask of the EC2 network API, and what a security group lets in.
import {
  DescribeSecurityGroupsCommand,
  DescribeSubnetsCommand,
  DescribeVpcsCommand,
  type IpPermission,
  type SecurityGroup,
  type Subnet,
  type Vpc,
} from '@aws-sdk/client-ec2'

import { ec2 } from '../aws'
import { all } from './load'

export interface Network {
  vpcs: Vpc[]
  subnets: Subnet[]
  groups: SecurityGroup[]
}

export async function getNetwork(): Promise<Network> {
  const [vpcs, subnets, groups] = await Promise.all([
    all<Vpc>(async NextToken => {
      const answer = await ec2().send(new DescribeVpcsCommand({ NextToken, MaxResults: 1000 }))
      return [answer.Vpcs, answer.NextToken]
    }),
    all<Subnet>(async NextToken => {
      const answer = await ec2().send(new DescribeSubnetsCommand({ NextToken, MaxResults: 1000 }))
      return [answer.Subnets, answer.NextToken]
    }),
    all<SecurityGroup>(async NextToken => {
      const answer = await ec2().send(new DescribeSecurityGroupsCommand({ NextToken, MaxResults: 1000 }))
      return [answer.SecurityGroups, answer.NextToken]
    }),
  ])
  return { vpcs, subnets, groups }
}

export function nameOf(thing: { Tags?: { Key?: string; Value?: string }[] }): string | undefined {
  return thing.Tags?.find(tag => tag.Key === 'Name')?.Value
}

/** Whether a rule opens a port (TCP). */
export function opens(rule: IpPermission, port: number): boolean {
  if (rule.IpProtocol === '-1') return true
  if (rule.IpProtocol !== 'tcp' && rule.IpProtocol !== '6') return false
  return (rule.FromPort ?? 0) <= port && port <= (rule.ToPort ?? 65535)
}

/** Where a rule lets traffic in from, in words. */
export function sources(rule: IpPermission): string {
  const from = [
    ...(rule.IpRanges ?? []).map(r => r.CidrIp),
    ...(rule.Ipv6Ranges ?? []).map(r => r.CidrIpv6),
    ...(rule.UserIdGroupPairs ?? []).map(p => p.GroupId),
    ...(rule.PrefixListIds ?? []).map(p => p.PrefixListId),
  ]
  return from.filter(Boolean).join(', ') || 'nowhere'
}

/** "TCP 80", "all traffic". */
export function ports(rule: IpPermission): string {
  if (rule.IpProtocol === '-1') return 'all traffic'
  const protocol = (rule.IpProtocol ?? '').toUpperCase()
  if (rule.FromPort === undefined || rule.FromPort === -1) return protocol
  return rule.FromPort === rule.ToPort ? `${protocol} ${rule.FromPort}` : `${protocol} ${rule.FromPort}–${rule.ToPort}`
}

/** Whether a rule lets in anybody but the members of these groups: what a default group says of its own tasks opens nothing. */
function letsOthersIn(rule: IpPermission, groups: SecurityGroup[]): boolean {
  if (rule.IpRanges?.length || rule.Ipv6Ranges?.length || rule.PrefixListIds?.length) return true
  return rule.UserIdGroupPairs?.some(pair => !groups.some(group => group.GroupId === pair.GroupId)) ?? false
}

/** Ports of the list that no rule of these groups opens to others. */
export function closedPorts(groups: SecurityGroup[], wanted: number[]): number[] {
  return wanted.filter(port => !groups.some(group => group.IpPermissions?.some(rule => opens(rule, port) && letsOthersIn(rule, groups))))
}
