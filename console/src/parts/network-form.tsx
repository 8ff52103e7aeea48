// Where the tasks of a service are in the network, and who reaches them.
import type { TaskDefinition } from '@aws-sdk/client-ecs'
import Alert from '@cloudscape-design/components/alert'
import AttributeEditor from '@cloudscape-design/components/attribute-editor'
import Button from '@cloudscape-design/components/button'
import Container from '@cloudscape-design/components/container'
import FormField from '@cloudscape-design/components/form-field'
import Header from '@cloudscape-design/components/header'
import Input from '@cloudscape-design/components/input'
import Multiselect from '@cloudscape-design/components/multiselect'
import RadioGroup from '@cloudscape-design/components/radio-group'
import SpaceBetween from '@cloudscape-design/components/space-between'
import Toggle from '@cloudscape-design/components/toggle'
import { useEffect } from 'react'

import { useLoad } from '../data/load'
import { closedPorts, getNetwork, nameOf, type Network } from '../data/network'
import { type InboundDraft, type ServiceDraft, type ServiceProblems, wantedPorts } from '../data/service-draft'
import { ChoiceField, TextField } from './fields'
import { ErrorAlert } from './page'

interface Props {
  draft: ServiceDraft
  set: (change: Partial<ServiceDraft>) => void
  problems: ServiceProblems
  definition: TaskDefinition | undefined
}

function Inbound({ draft, set, problems }: Props) {
  const change = (i: number, part: Partial<InboundDraft>) => set({ inbound: draft.inbound.map((rule, n) => (n === i ? { ...rule, ...part } : rule)) })
  return (
    <AttributeEditor
      items={draft.inbound}
      addButtonText="Add inbound rule"
      removeButtonText="Remove"
      empty="No inbound rule: nobody reaches these tasks."
      onAddButtonClick={() => set({ inbound: [...draft.inbound, { port: '', source: '0.0.0.0/0' }] })}
      onRemoveButtonClick={e => set({ inbound: draft.inbound.filter((_, i) => i !== e.detail.itemIndex) })}
      definition={[
        {
          label: 'Port (TCP)',
          control: (rule, i) => <Input value={rule.port} onChange={e => change(i, { port: e.detail.value })} inputMode="numeric" ariaLabel={`Port of rule ${i + 1}`} />,
          errorText: (_, i) => problems[`inbound[${i}].port`],
        },
        {
          label: 'Source',
          control: (rule, i) => <Input value={rule.source} onChange={e => change(i, { source: e.detail.value })} ariaLabel={`Source of rule ${i + 1}`} />,
          errorText: (_, i) => problems[`inbound[${i}].source`],
        },
      ]}
    />
  )
}

/** Says which ports of the containers no rule opens, and offers to open them. */
function Closed({ draft, set, definition, network }: Props & { network: Network }) {
  const wanted = wantedPorts(definition)
  const closed = draft.newGroup
    ? wanted.filter(port => !draft.inbound.some(rule => Number(rule.port) === port))
    : closedPorts(network.groups.filter(g => draft.groups.includes(g.GroupId!)), wanted)
  if (closed.length === 0) return null
  const add = () => {
    const rules = closed.map(port => ({ port: String(port), source: '0.0.0.0/0' }))
    set({ newGroup: true, groupName: draft.groupName || `${draft.name || 'service'}-sg`, inbound: [...draft.inbound, ...rules] })
  }
  return (
    <Alert type="warning" action={<Button onClick={add}>{draft.newGroup ? 'Open them' : 'Open them in a new group'}</Button>}>
      {`No inbound rule opens port ${closed.join(', ')}: a port is closed until a rule opens it.`}
    </Alert>
  )
}

function Groups(props: Props & { network: Network }) {
  const { draft, set, problems, network } = props
  const here = network.groups.filter(g => g.VpcId === draft.vpc)
  const options = here.map(g => ({ value: g.GroupId, label: g.GroupName, description: g.GroupId }))
  return (
    <SpaceBetween size="m">
      <FormField label="Security group">
        <RadioGroup
          value={draft.newGroup ? 'new' : 'existing'}
          onChange={e => set({ newGroup: e.detail.value === 'new', groupName: draft.groupName || `${draft.name || 'service'}-sg` })}
          items={[
            { value: 'existing', label: 'Use existing security groups' },
            { value: 'new', label: 'Create a new security group' },
          ]}
        />
      </FormField>
      {draft.newGroup ? (
        <>
          <TextField label="Security group name" value={draft.groupName} onChange={groupName => set({ groupName })} problem={problems.groupName} />
          <Inbound {...props} />
        </>
      ) : (
        <FormField label="Security groups" errorText={problems.groups} stretch>
          <Multiselect
            selectedOptions={options.filter(o => draft.groups.includes(o.value!))}
            options={options}
            onChange={e => set({ groups: e.detail.selectedOptions.map(o => o.value!) })}
            deselectAriaLabel={option => `Remove ${option.label}`}
            placeholder="Choose security groups"
          />
        </FormField>
      )}
      <Closed {...props} />
    </SpaceBetween>
  )
}

export function NetworkForm(props: Props) {
  const { draft, set, problems } = props
  const { data: network, error } = useLoad(getNetwork, [], c => ['vpc', 'subnet', 'security-group', 'reset'].includes(c.kind))

  // The default VPC with all of its subnets and its default group, until somebody chooses otherwise.
  useEffect(() => {
    if (!network || draft.vpc) return
    const vpc = network.vpcs.find(v => v.IsDefault) ?? network.vpcs[0]
    if (vpc) choose(network, vpc.VpcId!)
  }, [network]) // eslint-disable-line react-hooks/exhaustive-deps

  const choose = (from: Network, vpc: string) =>
    set({
      vpc,
      subnets: from.subnets.filter(s => s.VpcId === vpc).map(s => s.SubnetId!).slice(0, 16),
      groups: from.groups.filter(g => g.VpcId === vpc && g.GroupName === 'default').map(g => g.GroupId!),
    })

  const subnets = (network?.subnets ?? [])
    .filter(s => s.VpcId === draft.vpc)
    .map(s => ({ value: s.SubnetId, label: nameOf(s) ?? s.SubnetId, description: `${s.CidrBlock}, ${s.AvailabilityZone}` }))
  return (
    <Container header={<Header variant="h2">Networking</Header>}>
      <SpaceBetween size="m">
        <ErrorAlert error={error} />
        <ChoiceField
          label="VPC"
          value={draft.vpc}
          options={(network?.vpcs ?? []).map(v => ({ value: v.VpcId, label: nameOf(v) ?? v.VpcId, description: `${v.CidrBlock}${v.IsDefault ? ', default' : ''}` }))}
          onChange={vpc => network && choose(network, vpc)}
        />
        <FormField label="Subnets" errorText={problems.subnets} stretch>
          <Multiselect
            selectedOptions={subnets.filter(o => draft.subnets.includes(o.value!))}
            options={subnets}
            onChange={e => set({ subnets: e.detail.selectedOptions.map(o => o.value!) })}
            deselectAriaLabel={option => `Remove ${option.label}`}
            placeholder="Choose subnets"
          />
        </FormField>
        {network && <Groups {...props} network={network} />}
        {draft.launchType === 'FARGATE' && (
          <Toggle checked={draft.publicIp} onChange={e => set({ publicIp: e.detail.checked })}>
            Public IP: the tasks reach the outside through the internet gateway
          </Toggle>
        )}
      </SpaceBetween>
    </Container>
  )
}
