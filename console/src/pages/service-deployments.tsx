import { ListServiceDeploymentsCommand, StopServiceDeploymentCommand, type ServiceDeploymentBrief } from '@aws-sdk/client-ecs'
import Button from '@cloudscape-design/components/button'

import { ecs } from '../aws'
import { all, useLoad } from '../data/load'
import { duration, shortName } from '../data/names'
import { useFlash } from '../parts/flash'
import { List } from '../parts/list'
import { ErrorAlert } from '../parts/page'
import { Since } from '../parts/since'
import { Status } from '../parts/status'

function took(d: ServiceDeploymentBrief): string {
  const end = d.finishedAt ?? (d.status === 'IN_PROGRESS' ? new Date() : undefined)
  return d.startedAt && end ? duration(end.getTime() - d.startedAt.getTime()) : '–'
}

export function ServiceDeployments({ cluster, service }: { cluster: string; service: string }) {
  const tell = useFlash()
  const { data, error, loading } = useLoad(
    () =>
      all<ServiceDeploymentBrief>(async nextToken => {
        const answer = await ecs().send(new ListServiceDeploymentsCommand({ cluster, service, nextToken }))
        return [answer.serviceDeployments, answer.nextToken]
      }, 200),
    [cluster, service],
    c => c.kind.startsWith('service') || c.kind === 'reset',
  )
  const running = data?.find(d => d.status === 'IN_PROGRESS')
  const rollBack = () =>
    ecs()
      .send(new StopServiceDeploymentCommand({ serviceDeploymentArn: running?.serviceDeploymentArn, stopType: 'ROLLBACK' }))
      .then(() => tell('info', 'Rolling back.'), (e: Error) => tell('error', e.message))
  return (
    <>
      <ErrorAlert error={error} />
      <List<ServiceDeploymentBrief>
        title="Deployments"
        noun="deployment"
        items={data}
        loading={loading}
        id={d => d.serviceDeploymentArn!}
        actions={<Button disabled={!running} onClick={() => void rollBack()}>Roll back</Button>}
        columns={[
          { id: 'id', header: 'Deployment', cell: d => shortName(d.serviceDeploymentArn), isRowHeader: true },
          { id: 'status', header: 'Status', cell: d => <Status of={d.status} />, sortingField: 'status' },
          { id: 'revision', header: 'Service revision', cell: d => shortName(d.targetServiceRevisionArn) },
          { id: 'began', header: 'Began', cell: d => <Since time={d.startedAt ?? d.createdAt} />, sortingField: 'createdAt' },
          { id: 'took', header: 'Took', cell: took },
          { id: 'reason', header: 'Reason', cell: d => d.statusReason ?? '' },
        ]}
      />
    </>
  )
}
