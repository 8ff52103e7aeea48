// Messages that outlive a page: "cluster created", "task stopped".
import Flashbar, { type FlashbarProps } from '@cloudscape-design/components/flashbar'
import { createContext, type ReactNode, useCallback, useContext, useMemo, useState } from 'react'

type Kind = 'success' | 'error' | 'info' | 'warning'
type Tell = (type: Kind, content: ReactNode) => void

const Context = createContext<Tell>(() => {})
const STAY_MS = 8000

/** Shows a message at the top of whatever page is next; errors stay until they are dismissed. */
export function useFlash(): Tell {
  return useContext(Context)
}

export function Flashes({ children }: { children: (bar: ReactNode) => ReactNode }) {
  const [items, setItems] = useState<FlashbarProps.MessageDefinition[]>([])
  const tell = useCallback<Tell>((type, content) => {
    const id = crypto.randomUUID()
    const dismiss = () => setItems(old => old.filter(item => item.id !== id))
    setItems(old => [...old, { id, type, content, dismissible: true, dismissLabel: 'Dismiss', onDismiss: dismiss }])
    if (type !== 'error') setTimeout(dismiss, STAY_MS)
  }, [])
  const bar = useMemo(() => <Flashbar items={items} />, [items])
  return <Context.Provider value={tell}>{children(bar)}</Context.Provider>
}
