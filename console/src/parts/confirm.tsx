// "Really?": says what will happen, does it, shows why it did not.
import Box from '@cloudscape-design/components/box'
import Button from '@cloudscape-design/components/button'
import Modal from '@cloudscape-design/components/modal'
import SpaceBetween from '@cloudscape-design/components/space-between'
import { type ReactNode, useState } from 'react'

import { ErrorAlert } from './page'

interface ConfirmProps {
  title: string
  /** The button's word: "Delete". */
  action: string
  children: ReactNode
  run: () => Promise<void>
  close: () => void
}

export function Confirm({ title, action, children, run, close }: ConfirmProps) {
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<Error>()
  const go = () => {
    setBusy(true)
    run().then(close, (e: Error) => {
      setError(e)
      setBusy(false)
    })
  }
  return (
    <Modal
      visible
      header={title}
      closeAriaLabel="Close"
      onDismiss={close}
      footer={
        <Box float="right">
          <SpaceBetween direction="horizontal" size="xs">
            <Button variant="link" onClick={close}>
              Cancel
            </Button>
            <Button variant="primary" loading={busy} onClick={go}>
              {action}
            </Button>
          </SpaceBetween>
        </Box>
      }
    >
      <SpaceBetween size="m">
        <ErrorAlert error={error} />
        {children}
      </SpaceBetween>
    </Modal>
  )
}
