import { UpdateServiceCommand, type Service } from '@aws-sdk/client-ecs'
import { useState } from 'react'

import { ecs } from '../aws'
import { listRevisions } from '../data/ecs'
import { useLoad } from '../data/load'
import { shortName } from '../data/names'
import { numberProblem } from '../data/rules'
import { Confirm } from '../parts/confirm'
import { ChoiceField, TextField } from '../parts/fields'
import { useFlash } from '../parts/flash'

/** Another number of tasks, another revision. */
export function ServiceUpdate({ cluster, service, close }: { cluster: string; service: Service; close: () => void }) {
  const now = shortName(service.taskDefinition)
  const tell = useFlash()
  const [desired, setDesired] = useState(String(service.desiredCount ?? 0))
  const [definition, setDefinition] = useState(now)
  const { data: revisions } = useLoad(() => listRevisions(now.split(':')[0] ?? ''), [now], () => false)
  const replica = service.schedulingStrategy !== 'DAEMON'
  const problem = replica ? numberProblem('Desired tasks', desired, 0, 5000) : undefined
  const submit = async () => {
    await ecs().send(
      new UpdateServiceCommand({
        cluster,
        service: service.serviceName,
        desiredCount: replica ? Number(desired) : undefined,
        taskDefinition: definition !== now ? definition : undefined,
      }))
    tell('success', definition !== now ? `${definition} is being rolled out.` : `The service is on its way to ${desired} tasks.`)
  }
  return (
    <Confirm title={`Update ${service.serviceName}`} action="Update" close={close} invalid={!!problem} run={submit}>
      {replica && <TextField label="Desired tasks" value={desired} onChange={setDesired} problem={problem} inputMode="numeric" autoFocus />}
      <ChoiceField
        label="Task definition revision"
        value={definition}
        options={revisions ?? [now]}
        filter
        onChange={setDefinition}
        hint="Another revision is rolled out without dropping requests."
      />
    </Confirm>
  )
}
