import { type Alarm, conditionOf, listAlarms } from '../data/alarms'
import { useLoad } from '../data/load'
import { Link } from '../parts/link'
import { List } from '../parts/list'
import { ErrorAlert, useTitle } from '../parts/page'
import { Since } from '../parts/since'
import { Status } from '../parts/status'

export default function Alarms() {
  useTitle('Alarms')
  const { data, error, loading } = useLoad(listAlarms, [], c => c.kind === 'alarm' || c.kind === 'reset')
  return (
    <>
      <ErrorAlert error={error} />
      <List<Alarm>
        fullPage
        title="Alarms"
        noun="alarm"
        items={data}
        loading={loading}
        id={a => a.AlarmName!}
        empty="Scaling policies make them by themselves; aws cloudwatch put-metric-alarm makes others."
        columns={[
          { id: 'name', header: 'Alarm', cell: a => <Link to={`/alarms/${encodeURIComponent(a.AlarmName!)}`}>{a.AlarmName}</Link>, sortingField: 'AlarmName', isRowHeader: true },
          { id: 'state', header: 'State', cell: a => <Status of={a.StateValue} />, sortingField: 'StateValue' },
          { id: 'condition', header: 'Condition', cell: conditionOf },
          { id: 'since', header: 'Since', cell: a => <Since time={a.StateTransitionedTimestamp ?? a.StateUpdatedTimestamp} /> },
          { id: 'reason', header: 'Reason', cell: a => a.StateReason ?? '' },
          { id: 'actions', header: 'Actions', cell: a => (a.ActionsEnabled === false ? 'off' : 'on') },
        ]}
      />
    </>
  )
}
