import type { ScheduledAction } from '@aws-sdk/client-application-auto-scaling'

import { useLoad } from '../data/load'
import { limitsInWords, listClusterActions, serviceOf } from '../data/scaling'
import { Link } from '../parts/link'
import { List } from '../parts/list'
import { ErrorAlert } from '../parts/page'

/** What happens in this cluster by the clock. */
export function ClusterSchedules({ cluster }: { cluster: string }) {
  const { data, error, loading } = useLoad(() => listClusterActions(cluster), [cluster], c => c.kind === 'scheduled-action' || c.kind === 'reset')
  return (
    <>
      <ErrorAlert error={error} />
      <List<ScheduledAction>
        title="Scheduled actions"
        noun="scheduled action"
        items={data}
        loading={loading}
        id={a => a.ScheduledActionARN!}
        description="They change how many tasks services run. Gantry has no EventBridge: to run a task by the clock, let cron or a systemd timer call aws ecs run-task."
        empty="A service has them under Auto scaling."
        columns={[
          { id: 'name', header: 'Name', cell: a => a.ScheduledActionName, isRowHeader: true },
          { id: 'service', header: 'Service', cell: a => <Link to={`/clusters/${cluster}/services/${serviceOf(a)}/scaling`}>{serviceOf(a)}</Link> },
          { id: 'schedule', header: 'Schedule', cell: a => `${a.Schedule} ${a.Timezone ?? 'UTC'}` },
          { id: 'limits', header: 'Tasks from then on', cell: a => limitsInWords(a.ScalableTargetAction) },
        ]}
      />
    </>
  )
}
