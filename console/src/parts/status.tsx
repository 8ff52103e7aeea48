// Colours and words for the states of things.
import StatusIndicator, { type StatusIndicatorProps } from '@cloudscape-design/components/status-indicator'

const looks: Record<string, StatusIndicatorProps.Type> = {
  ACTIVE: 'success',
  RUNNING: 'success',
  HEALTHY: 'success',
  COMPLETED: 'success',
  SUCCESSFUL: 'success',
  Successful: 'success',
  CONNECTED: 'success',
  healthy: 'success',
  active: 'success',
  available: 'success',
  PROVISIONING: 'in-progress',
  PENDING: 'pending',
  ACTIVATING: 'in-progress',
  DEACTIVATING: 'in-progress',
  STOPPING: 'in-progress',
  DEPROVISIONING: 'in-progress',
  DRAINING: 'in-progress',
  IN_PROGRESS: 'in-progress',
  InProgress: 'in-progress',
  Pending: 'pending',
  ROLLBACK_IN_PROGRESS: 'in-progress',
  initial: 'in-progress',
  draining: 'in-progress',
  OK: 'success',
  ALARM: 'error',
  INSUFFICIENT_DATA: 'pending',
  FAILED: 'error',
  Failed: 'error',
  PreInService: 'in-progress',
  WaitingForInstanceId: 'in-progress',
  Cancelled: 'stopped',
  Overridden: 'stopped',
  Unfulfilled: 'warning',
  UNHEALTHY: 'error',
  ROLLBACK_FAILED: 'error',
  unhealthy: 'error',
  ROLLBACK_SUCCESSFUL: 'warning',
  DISCONNECTED: 'warning',
  STOPPED: 'stopped',
  INACTIVE: 'stopped',
  unused: 'stopped',
}

function words(status: string): string {
  if (status === 'OK') return status
  const text = status.replaceAll('_', ' ').toLowerCase()
  return text.charAt(0).toUpperCase() + text.slice(1)
}

export function Status({ of }: { of: string | undefined }) {
  if (!of) return <>–</>
  return <StatusIndicator type={looks[of] ?? 'info'}>{words(of)}</StatusIndicator>
}
