// A dialog that does one thing: says what will happen or asks for what it needs, does it, shows why it did not.
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
  /** Something that was filled in is wrong, and the fields say what: nothing is done. */
  invalid?: boolean
}

export function Confirm({ title, action, children, run, close, invalid }: ConfirmProps) {
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<Error>()
  const go = () => {
    if (invalid || busy) return
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
            <Button variant="primary" loading={busy} disabled={invalid} onClick={go}>
              {action}
            </Button>
          </SpaceBetween>
        </Box>
      }
    >
      <form
        onSubmit={event => {
          event.preventDefault()
          go()
        }}
      >
        <SpaceBetween size="m">
          <ErrorAlert error={error} />
          {children}
        </SpaceBetween>
      </form>
    </Modal>
  )
}
