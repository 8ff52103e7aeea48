import { DescribeClustersCommand, ListClustersCommand, type Cluster } from '@aws-sdk/client-ecs'
import Header from '@cloudscape-design/components/header'
import Table from '@cloudscape-design/components/table'
import { useEffect, useState } from 'react'

import { ecs } from '../aws'

async function load(): Promise<Cluster[]> {
  const { clusterArns } = await ecs().send(new ListClustersCommand({ maxResults: 100 }))
  const { clusters } = await ecs().send(new DescribeClustersCommand({ clusters: clusterArns, include: ['STATISTICS', 'TAGS'] }))
  return clusters ?? []
}

export default function Clusters() {
  const [clusters, setClusters] = useState<Cluster[]>()
  useEffect(() => {
    load().then(setClusters)
  }, [])
  return (
    <Table
      header={<Header variant="h1" counter={clusters && `(${clusters.length})`}>Clusters</Header>}
      loading={!clusters}
      items={clusters ?? []}
      columnDefinitions={[
        { id: 'name', header: 'Cluster', cell: c => c.clusterName, isRowHeader: true },
        { id: 'services', header: 'Services', cell: c => c.activeServicesCount },
        { id: 'tasks', header: 'Running tasks', cell: c => c.runningTasksCount },
        { id: 'instances', header: 'Container instances', cell: c => c.registeredContainerInstancesCount },
      ]}
      variant="full-page"
    />
  )
}
