// Clients of the public API, one a service, signed with the session's keys.
import { ApplicationAutoScalingClient } from '@aws-sdk/client-application-auto-scaling'
import { AutoScalingClient } from '@aws-sdk/client-auto-scaling'
import { CloudWatchClient } from '@aws-sdk/client-cloudwatch'
import { CloudWatchLogsClient } from '@aws-sdk/client-cloudwatch-logs'
import { EC2Client } from '@aws-sdk/client-ec2'
import { ECSClient } from '@aws-sdk/client-ecs'
import { ElasticLoadBalancingV2Client } from '@aws-sdk/client-elastic-load-balancing-v2'
import { IAMClient } from '@aws-sdk/client-iam'
import { STSClient } from '@aws-sdk/client-sts'

import { session } from './session'

const config = {
  endpoint: window.location.origin,
  region: 'us-east-1',
  maxAttempts: 2,
  credentials: async () => {
    const keys = session()
    if (!keys) throw new Error('Sign in first.')
    const { accessKeyId, secretAccessKey, sessionToken } = keys
    return { accessKeyId, secretAccessKey, sessionToken }
  },
}

function withRegion() {
  return { ...config, region: session()?.region ?? config.region }
}

function lazily<T>(make: () => T): () => T {
  let made: T | undefined
  let region: string | undefined
  return () => {
    const now = session()?.region
    if (!made || now !== region) {
      made = make()
      region = now
    }
    return made
  }
}

export const ecs = lazily(() => new ECSClient(withRegion()))
export const scaling = lazily(() => new ApplicationAutoScalingClient(withRegion()))
export const machines = lazily(() => new AutoScalingClient(withRegion()))
export const cloudwatch = lazily(() => new CloudWatchClient(withRegion()))
export const logs = lazily(() => new CloudWatchLogsClient(withRegion()))
export const ec2 = lazily(() => new EC2Client(withRegion()))
export const elb = lazily(() => new ElasticLoadBalancingV2Client(withRegion()))
export const iam = lazily(() => new IAMClient(withRegion()))
export const sts = lazily(() => new STSClient(withRegion()))
