import { DescribeLogGroupsCommand, type LogGroup } from '@aws-sdk/client-cloudwatch-logs'
import { useParams } from 'react-router-dom'

import { logs } from '../aws'
import { all, useLoad } from '../data/load'
import { Link } from '../parts/link'
import { List } from '../parts/list'
import { LogView } from '../parts/logs'
import { ErrorAlert, Page, useTitle } from '../parts/page'

function size(bytes: number | undefined): string {
  if (bytes === undefined) return '–'
  return bytes < 1e6 ? `${Math.ceil(bytes / 1000)} kB` : `${Math.round(bytes / 1e5) / 10} MB`
}

export default function LogGroups() {
  useTitle('Logs')
  const { data, error, loading } = useLoad(
    () =>
      all<LogGroup>(async nextToken => {
        const answer = await logs().send(new DescribeLogGroupsCommand({ nextToken, limit: 50 }))
        return [answer.logGroups, answer.nextToken]
      }),
    [],
    c => c.kind === 'reset',
  )
  return (
    <>
      <ErrorAlert error={error} />
      <List<LogGroup>
        fullPage
        title="Log groups"
        noun="log group"
        items={data}
        loading={loading}
        id={g => g.logGroupName!}
        columns={[
          { id: 'name', header: 'Log group', cell: g => <Link to={`/logs/${encodeURIComponent(g.logGroupName!)}`}>{g.logGroupName}</Link>, isRowHeader: true },
          { id: 'retention', header: 'Retention', cell: g => (g.retentionInDays ? `${g.retentionInDays} days` : 'for ever') },
          { id: 'size', header: 'Size', cell: g => size(g.storedBytes) },
        ]}
      />
    </>
  )
}

export function LogGroupPage() {
  const { group = '' } = useParams()
  return (
    <Page title={group} crumbs={[{ text: 'Logs', href: '/logs' }, { text: group, href: '' }]}>
      <LogView group={group} />
    </Page>
  )
}
