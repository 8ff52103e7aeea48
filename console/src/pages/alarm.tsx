import type { AlarmHistoryItem } from '@aws-sdk/client-cloudwatch'
import Box from '@cloudscape-design/components/box'
import Button from '@cloudscape-design/components/button'
import Container from '@cloudscape-design/components/container'
import Header from '@cloudscape-design/components/header'
import SpaceBetween from '@cloudscape-design/components/space-between'
import { useState } from 'react'
import { useNavigate, useParams } from 'react-router-dom'

import { type Alarm, alarmHistory, conditionOf, deleteAlarm, getAlarm, metricsOf, setActions } from '../data/alarms'
import { useLoad } from '../data/load'
import type { Unit } from '../data/names'
import { Arn } from '../parts/arn'
import { Charts } from '../parts/charts'
import { Confirm } from '../parts/confirm'
import { Facts } from '../parts/facts'
import { useFlash } from '../parts/flash'
import { List } from '../parts/list'
import { Page } from '../parts/page'
import { Since } from '../parts/since'
import { Status } from '../parts/status'

async function getAll(name: string) {
  const [alarm, history] = await Promise.all([getAlarm(name), alarmHistory(name)])
  return { alarm, history }
}

function unitOf(alarm: Alarm): Unit {
  const name = alarm.MetricName ?? ''
  if (/Utilization|Reservation/.test(name)) return 'percent'
  return name.endsWith('Time') ? 'seconds' : 'count'
}

function History({ items }: { items: AlarmHistoryItem[] }) {
  return (
    <List<AlarmHistoryItem>
      title="History"
      noun="entry"
      nouns="entries"
      items={items}
      loading={false}
      id={item => `${item.Timestamp?.getTime()} ${item.HistoryItemType} ${item.HistorySummary}`}
      columns={[
        { id: 'when', header: 'When', cell: item => <Since time={item.Timestamp} />, isRowHeader: true },
        { id: 'type', header: 'Type', cell: item => item.HistoryItemType },
        { id: 'what', header: 'What', cell: item => item.HistorySummary },
      ]}
    />
  )
}

export default function AlarmPage() {
  const { name = '' } = useParams()
  const navigate = useNavigate()
  const tell = useFlash()
  const [deleting, setDeleting] = useState(false)
  const { data, error, reload } = useLoad(() => getAll(name), [name], c => c.kind.startsWith('alarm') || c.kind === 'reset')
  const alarm = data?.alarm
  const on = alarm?.ActionsEnabled !== false
  const metrics = alarm ? metricsOf(alarm) : []
  return (
    <Page
      title={name}
      crumbs={[{ text: 'Alarms', href: '/alarms' }, { text: name, href: '' }]}
      description={alarm?.AlarmDescription}
      error={error}
      actions={
        <SpaceBetween direction="horizontal" size="xs">
          <Button onClick={() => void setActions(name, !on).then(reload, (e: Error) => tell('error', e.message))}>{on ? 'Disable actions' : 'Enable actions'}</Button>
          <Button onClick={() => setDeleting(true)}>Delete</Button>
        </SpaceBetween>
      }
    >
      {alarm && (
        <SpaceBetween size="l">
          <Container header={<Header variant="h2">State</Header>}>
            <SpaceBetween size="m">
              <Facts
                items={[
                  ['State', <Status of={alarm.StateValue} />],
                  ['Since', <Since time={alarm.StateTransitionedTimestamp ?? alarm.StateUpdatedTimestamp} />],
                  ['Missing data', alarm.TreatMissingData ?? 'missing'],
                  ['Actions', on ? 'on' : 'off'],
                  ['Condition', conditionOf(alarm)],
                  ['When in alarm', alarm.AlarmActions?.join(', ') || 'nothing'],
                  ['When OK again', alarm.OKActions?.join(', ') || 'nothing'],
                  ['ARN', <Arn of={alarm.AlarmArn} />],
                ]}
              />
              <Box>{alarm.StateReason}</Box>
            </SpaceBetween>
          </Container>
          {metrics.length > 0 && (
            <Charts
              panels={[{ title: conditionOf(alarm), unit: unitOf(alarm), metrics, threshold: alarm.Threshold, empty: 'Nothing was measured in the time shown.' }]}
            />
          )}
          <History items={data.history} />
        </SpaceBetween>
      )}
      {deleting && (
        <Confirm
          title={`Delete alarm ${name}?`}
          action="Delete"
          close={() => setDeleting(false)}
          run={async () => {
            await deleteAlarm(name)
            tell('success', `Alarm ${name} is deleted.`)
            navigate('/alarms')
          }}
        >
          What it called, it calls no more. Alarms of scaling policies come back with their policy only.
        </Confirm>
      )}
    </Page>
  )
}
