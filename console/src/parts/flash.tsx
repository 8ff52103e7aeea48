// Messages that outlive a page: "cluster created", "task stopped".
import Flashbar, { type FlashbarProps } from '@cloudscape-design/components/flashbar'
import { createContext, type ReactNode, useCallback, useContext, useMemo, useState } from 'react'

import { useLost } from '../data/live'

type Kind = 'success' | 'error' | 'info' | 'warning'
type Tell = (type: Kind, content: ReactNode) => void

const Context = createContext<Tell>(() => {})
const STAY_MS = 8000

/** Shows a message at the top of whatever page is next; errors stay until they are dismissed. */
export function useFlash(): Tell {
  return useContext(Context)
}

const silence: FlashbarProps.MessageDefinition = {
  id: 'lost',
  type: 'warning',
  loading: true,
  ariaRole: 'status',
  content: 'The server does not answer. What you see is what was there last; it is brought up to date as soon as the server is back.',
}

export function Flashes({ children }: { children: (bar: ReactNode) => ReactNode }) {
  const lost = useLost()
  const [items, setItems] = useState<FlashbarProps.MessageDefinition[]>([])
  const tell = useCallback<Tell>((type, content) => {
    const id = crypto.randomUUID()
    const dismiss = () => setItems(old => old.filter(item => item.id !== id))
    const ariaRole = type === 'error' ? 'alert' : 'status'
    setItems(old => [...old, { id, type, content, ariaRole, dismissible: true, dismissLabel: 'Dismiss', onDismiss: dismiss }])
    if (type !== 'error') setTimeout(dismiss, STAY_MS)
  }, [])
  const bar = useMemo(() => <Flashbar items={lost ? [...items, silence] : items} />, [items, lost])
  return <Context.Provider value={tell}>{children(bar)}</Context.Provider>
}
