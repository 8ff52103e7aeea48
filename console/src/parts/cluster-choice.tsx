// Asks in which cluster, when there is more than one.
import { useEffect, useState } from 'react'

import { listClusters } from '../data/ecs'
import { useLoad } from '../data/load'
import { Confirm } from './confirm'
import { ChoiceField } from './fields'
import { ErrorAlert } from './page'

interface Props {
  title: string
  choose: (cluster: string) => void
  close: () => void
}

export function ClusterChoice({ title, choose, close }: Props) {
  const { data, error } = useLoad(listClusters, [], c => c.kind === 'cluster' || c.kind === 'reset')
  const names = (data ?? []).map(cluster => cluster.clusterName!).sort()
  const [wanted, setWanted] = useState<string>()
  const name = wanted ?? (names.includes('default') ? 'default' : (names[0] ?? ''))
  const only = data?.length === 1 ? names[0] : undefined
  useEffect(() => {
    if (only) choose(only)
  }, [only]) // eslint-disable-line react-hooks/exhaustive-deps
  if (only || (!data && !error)) return null
  return (
    <Confirm title={title} action="Next" close={close} invalid={!name} run={async () => choose(name)}>
      <ErrorAlert error={error} />
      <ChoiceField
        label="Cluster"
        value={name}
        options={names}
        filter
        onChange={setWanted}
        problem={data?.length === 0 ? 'There is no cluster yet: create one first.' : undefined}
      />
    </Confirm>
  )
}
