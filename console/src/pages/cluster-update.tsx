import { DescribeCapacityProvidersCommand, PutClusterCapacityProvidersCommand, UpdateClusterSettingsCommand, type Cluster } from '@aws-sdk/client-ecs'
import AttributeEditor from '@cloudscape-design/components/attribute-editor'
import FormField from '@cloudscape-design/components/form-field'
import Input from '@cloudscape-design/components/input'
import Multiselect from '@cloudscape-design/components/multiselect'
import Select from '@cloudscape-design/components/select'
import { useState } from 'react'

import { ecs } from '../aws'
import { all, useLoad } from '../data/load'
import { numberProblem } from '../data/rules'
import { Confirm } from '../parts/confirm'
import { ChoiceField } from '../parts/fields'
import { useFlash } from '../parts/flash'

interface Share {
  provider: string
  weight: string
  base: string
}

const insights = [
  { value: 'disabled', label: 'Off', description: 'What services, tasks and instances use is measured all the same.' },
  { value: 'enabled', label: 'On', description: 'And sums by service and family: network, disk.' },
  { value: 'enhanced', label: 'Enhanced', description: 'And each task and container by itself.' },
]

function listProviders(): Promise<string[]> {
  return all(async nextToken => {
    const answer = await ecs().send(new DescribeCapacityProvidersCommand({ nextToken }))
    return [answer.capacityProviders?.map(p => p.name!), answer.nextToken]
  })
}

function problemOf(share: Share, part: 'weight' | 'base'): string | undefined {
  return part === 'weight' ? numberProblem('Weight', share.weight, 0, 1000) : numberProblem('Base', share.base, 0, 100_000)
}

/** What goes where by itself: tasks of those who name neither a launch type nor a strategy. */
function Strategy({ shares, onChange, providers }: { shares: Share[]; onChange: (shares: Share[]) => void; providers: string[] }) {
  const set = (i: number, change: Partial<Share>) => onChange(shares.map((share, n) => (n === i ? { ...share, ...change } : share)))
  const free = providers.filter(name => !shares.some(share => share.provider === name))
  return (
    <AttributeEditor
      items={shares}
      addButtonText="Add to the default strategy"
      removeButtonText="Remove"
      empty="No default strategy: services and tasks say themselves what they run on."
      disableAddButton={free.length === 0}
      onAddButtonClick={() => onChange([...shares, { provider: free[0]!, weight: '1', base: '0' }])}
      onRemoveButtonClick={event => onChange(shares.filter((_, i) => i !== event.detail.itemIndex))}
      definition={[
        {
          label: 'Capacity provider',
          control: (share, i) => (
            <Select
              selectedOption={{ value: share.provider, label: share.provider }}
              options={[share.provider, ...free].map(value => ({ value, label: value }))}
              onChange={event => set(i, { provider: event.detail.selectedOption.value! })}
              ariaLabel={`Capacity provider ${i + 1}`}
            />
          ),
        },
        {
          label: 'Weight',
          control: (share, i) => <Input value={share.weight} onChange={e => set(i, { weight: e.detail.value })} inputMode="numeric" ariaLabel={`Weight ${i + 1}`} />,
          errorText: share => problemOf(share, 'weight'),
        },
        {
          label: 'Base',
          control: (share, i) => <Input value={share.base} onChange={e => set(i, { base: e.detail.value })} inputMode="numeric" ariaLabel={`Base ${i + 1}`} />,
          errorText: share => problemOf(share, 'base'),
        },
      ]}
    />
  )
}

export function ClusterUpdate({ cluster, close }: { cluster: Cluster; close: () => void }) {
  const tell = useFlash()
  const before = cluster.settings?.find(s => s.name === 'containerInsights')?.value ?? 'disabled'
  const [insight, setInsight] = useState(before)
  const [chosen, setChosen] = useState(cluster.capacityProviders ?? [])
  const [shares, setShares] = useState<Share[]>(() =>
    (cluster.defaultCapacityProviderStrategy ?? []).map(s => ({ provider: s.capacityProvider!, weight: String(s.weight ?? 0), base: String(s.base ?? 0) })))
  const { data: providers, loading } = useLoad(listProviders, [], c => c.kind === 'capacity-provider' || c.kind === 'reset')
  const choose = (names: string[]) => {
    setChosen(names)
    setShares(shares.filter(share => names.includes(share.provider)))
  }
  const strategy = shares.map(s => ({ capacityProvider: s.provider, weight: Number(s.weight), base: Number(s.base) }))
  const save = async () => {
    const name = cluster.clusterName!
    if (insight !== before)
      await ecs().send(new UpdateClusterSettingsCommand({ cluster: name, settings: [{ name: 'containerInsights', value: insight }] }))
    const now = JSON.stringify([chosen, strategy])
    const then = JSON.stringify([
      cluster.capacityProviders ?? [],
      (cluster.defaultCapacityProviderStrategy ?? []).map(s => ({ capacityProvider: s.capacityProvider, weight: s.weight ?? 0, base: s.base ?? 0 })),
    ])
    if (now !== then)
      await ecs().send(new PutClusterCapacityProvidersCommand({ cluster: name, capacityProviders: chosen, defaultCapacityProviderStrategy: strategy }))
    tell('success', `Cluster ${name} is updated.`)
  }
  const options = [...new Set([...(providers ?? []), ...chosen])].map(value => ({ value, label: value }))
  return (
    <Confirm
      title={`Update ${cluster.clusterName}`}
      action="Update"
      close={close}
      invalid={shares.some(share => problemOf(share, 'weight') || problemOf(share, 'base'))}
      run={save}
    >
      <ChoiceField label="Container Insights" value={insight} options={insights} onChange={setInsight} />
      <FormField label="Capacity providers" constraintText="What the cluster's tasks may run on besides the container instances that joined it." stretch>
        <Multiselect
          selectedOptions={options.filter(o => chosen.includes(o.value))}
          options={options}
          statusType={loading ? 'loading' : 'finished'}
          onChange={event => choose(event.detail.selectedOptions.map(o => o.value!))}
          deselectAriaLabel={option => `Remove ${option.label}`}
          placeholder="Choose capacity providers"
        />
      </FormField>
      <Strategy shares={shares} onChange={setShares} providers={chosen} />
    </Confirm>
  )
}
