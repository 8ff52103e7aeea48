import {
  AuthorizeSecurityGroupIngressCommand,
  DescribeSecurityGroupsCommand,
  RevokeSecurityGroupIngressCommand,
  type IpPermission,
} from '@aws-sdk/client-ec2'
import Button from '@cloudscape-design/components/button'
import ColumnLayout from '@cloudscape-design/components/column-layout'
import Container from '@cloudscape-design/components/container'
import Header from '@cloudscape-design/components/header'
import SpaceBetween from '@cloudscape-design/components/space-between'
import { useState } from 'react'
import { useParams } from 'react-router-dom'

import { ec2 } from '../aws'
import { useLoad } from '../data/load'
import { ports, sources } from '../data/network'
import { numberProblem, sourceProblem } from '../data/rules'
import { Facts } from '../parts/facts'
import { TextField } from '../parts/fields'
import { useFlash } from '../parts/flash'
import { List } from '../parts/list'
import { Page } from '../parts/page'

/** Opens one TCP port. */
function OpenPort({ id }: { id: string }) {
  const tell = useFlash()
  const [port, setPort] = useState('')
  const [from, setFrom] = useState('0.0.0.0/0')
  const [tried, setTried] = useState(false)
  const portProblem = numberProblem('Port', port, 1, 65535)
  const fromProblem = sourceProblem(from)
  const open = () => {
    setTried(true)
    if (portProblem || fromProblem) return
    const rule: IpPermission = {
      IpProtocol: 'tcp',
      FromPort: Number(port),
      ToPort: Number(port),
      ...(from.startsWith('sg-') ? { UserIdGroupPairs: [{ GroupId: from }] } : { IpRanges: [{ CidrIp: from }] }),
    }
    ec2()
      .send(new AuthorizeSecurityGroupIngressCommand({ GroupId: id, IpPermissions: [rule] }))
      .then(() => tell('success', `TCP ${port} is open to ${from}.`), (e: Error) => tell('error', e.message))
  }
  return (
    <Container header={<Header variant="h2">Open a port</Header>}>
      <SpaceBetween size="s">
        <ColumnLayout columns={2}>
          <TextField label="Port (TCP)" value={port} onChange={setPort} problem={tried || port !== '' ? portProblem : undefined} inputMode="numeric" />
          <TextField label="Source" value={from} onChange={setFrom} problem={fromProblem} />
        </ColumnLayout>
        <Button onClick={open}>Open</Button>
      </SpaceBetween>
    </Container>
  )
}

export default function SecurityGroupPage() {
  const { group: id = '' } = useParams()
  const tell = useFlash()
  const [selected, setSelected] = useState<IpPermission[]>([])
  const { data: group, error, loading, reload } = useLoad(
    async () => (await ec2().send(new DescribeSecurityGroupsCommand({ GroupIds: [id] }))).SecurityGroups?.[0],
    [id],
    c => c.kind === 'security-group' || c.kind === 'reset',
  )
  const revoke = () =>
    ec2()
      .send(new RevokeSecurityGroupIngressCommand({ GroupId: id, IpPermissions: selected }))
      .then(
        () => {
          tell('success', 'Closed for new connections.')
          setSelected([])
          reload()
        },
        (e: Error) => tell('error', e.message),
      )
  return (
    <Page
      title={group?.GroupName ?? id}
      crumbs={[{ text: 'Networks', href: '/networks/groups' }, { text: id, href: '' }]}
      description={group?.Description}
      error={error}
    >
      <SpaceBetween size="l">
        <Container>
          <Facts items={[['ID', id], ['VPC', group?.VpcId], ['Outbound', group?.IpPermissionsEgress?.map(r => `${ports(r)} to ${sources(r)}`).join('; ') || 'closed']]} />
        </Container>
        <List<IpPermission>
          title="Inbound rules"
          noun="inbound rule"
          items={group?.IpPermissions}
          loading={loading}
          id={rule => JSON.stringify(rule)}
          selected={selected}
          onSelect={setSelected}
          actions={<Button disabled={selected.length === 0} onClick={() => void revoke()}>Remove</Button>}
          empty="Nobody reaches the tasks of this group: a port is closed until a rule opens it."
          columns={[
            { id: 'ports', header: 'Ports', cell: ports, isRowHeader: true },
            { id: 'source', header: 'Source', cell: sources },
          ]}
        />
        <OpenPort id={id} />
      </SpaceBetween>
    </Page>
  )
}
