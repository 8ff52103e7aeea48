import { UpdateServiceCommand, type Service } from '@aws-sdk/client-ecs'
import Box from '@cloudscape-design/components/box'
import Button from '@cloudscape-design/components/button'
import Modal from '@cloudscape-design/components/modal'
import SpaceBetween from '@cloudscape-design/components/space-between'
import { useState } from 'react'

import { ecs } from '../aws'
import { listRevisions } from '../data/ecs'
import { useLoad } from '../data/load'
import { shortName } from '../data/names'
import { numberProblem } from '../data/rules'
import { ChoiceField, TextField } from '../parts/fields'
import { useFlash } from '../parts/flash'
import { ErrorAlert } from '../parts/page'

/** Another number of tasks, another revision. */
export function ServiceUpdate({ cluster, service, close }: { cluster: string; service: Service; close: () => void }) {
  const now = shortName(service.taskDefinition)
  const tell = useFlash()
  const [desired, setDesired] = useState(String(service.desiredCount ?? 0))
  const [definition, setDefinition] = useState(now)
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<Error>()
  const { data: revisions } = useLoad(() => listRevisions(now.split(':')[0] ?? ''), [now], () => false)
  const replica = service.schedulingStrategy !== 'DAEMON'
  const problem = replica ? numberProblem('Desired tasks', desired, 0, 5000) : undefined
  const submit = async () => {
    setBusy(true)
    try {
      await ecs().send(
        new UpdateServiceCommand({
          cluster,
          service: service.serviceName,
          desiredCount: replica ? Number(desired) : undefined,
          taskDefinition: definition !== now ? definition : undefined,
        }))
      tell('success', definition !== now ? `${definition} is being rolled out.` : `The service is on its way to ${desired} tasks.`)
      close()
    } catch (e) {
      setError(e as Error)
      setBusy(false)
    }
  }
  return (
    <Modal
      visible
      header={`Update ${service.serviceName}`}
      closeAriaLabel="Close"
      onDismiss={close}
      footer={
        <Box float="right">
          <SpaceBetween direction="horizontal" size="xs">
            <Button variant="link" onClick={close}>Cancel</Button>
            <Button variant="primary" disabled={!!problem} loading={busy} onClick={() => void submit()}>Update</Button>
          </SpaceBetween>
        </Box>
      }
    >
      <SpaceBetween size="m">
        <ErrorAlert error={error} />
        {replica && <TextField label="Desired tasks" value={desired} onChange={setDesired} problem={problem} inputMode="numeric" autoFocus />}
        <ChoiceField
          label="Task definition revision"
          value={definition}
          options={revisions ?? [now]}
          onChange={setDefinition}
          hint="Another revision is rolled out without dropping requests."
        />
      </SpaceBetween>
    </Modal>
  )
}
