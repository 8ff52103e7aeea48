// A list that is read once and then kept true: after a change only what has changed is asked for again.
import { startTransition, useCallback, useEffect, useRef, useState } from 'react'

import { type Change, onChanges } from './live'

export interface LiveList<T> {
  data: T[] | undefined
  error: Error | undefined
  loading: boolean
}

interface Source<T> {
  /** Everything; `some` is called with what has come so far, so that a long list can be used before it is whole. */
  load: (some: (items: T[]) => void) => Promise<T[]>
  /** What these keys stand for now; those that are missing are gone. */
  refresh: (keys: string[]) => Promise<T[]>
  keyOf: (item: T) => string
  /** The key of the item that a change concerns; undefined: none. */
  concerns: (change: Change) => string | undefined
  /** Whether an item belongs to the list (a task that has stopped does not belong to those that run). */
  belongs?: (item: T) => boolean
  /** Order of the list. */
  compare?: (a: T, b: T) => number
}

// More changed keys than that at once are cheaper as a whole.
const MOST = 500

export function useLiveList<T>(source: Source<T>, deps: unknown[]): LiveList<T> {
  const [state, setState] = useState<LiveList<T>>({ data: undefined, error: undefined, loading: true })
  const items = useRef(new Map<string, T>())
  const current = useRef(source)
  current.current = source

  const show = useCallback(() => {
    const list = [...items.current.values()]
    if (current.current.compare) list.sort(current.current.compare)
    // Drawn between frames: a long list must not stop the scrolling.
    startTransition(() => setState({ data: list, error: undefined, loading: false }))
  }, [])

  useEffect(() => {
    let stopped = false
    let busy = false
    let whole = true
    const changed = new Set<string>()
    setState({ data: undefined, error: undefined, loading: true })
    items.current = new Map()

    const loadAll = async () => {
      whole = false
      changed.clear()
      const take = (all: T[]) => {
        items.current = new Map(all.map(item => [current.current.keyOf(item), item]))
      }
      let first = items.current.size === 0
      const all = await current.current.load(some => {
        if (stopped || !first) return
        first = false
        take(some)
        show()
      })
      if (!stopped) take(all)
    }

    const loadSome = async () => {
      const keys = [...changed]
      changed.clear()
      const fresh = new Map((await current.current.refresh(keys)).map(item => [current.current.keyOf(item), item]))
      if (stopped) return
      for (const key of keys) {
        const item = fresh.get(key)
        if (item && (current.current.belongs?.(item) ?? true)) items.current.set(key, item)
        else items.current.delete(key)
      }
    }

    const run = async () => {
      if (busy) return
      busy = true
      try {
        while (!stopped && (whole || changed.size > 0)) {
          await (whole || changed.size > MOST ? loadAll() : loadSome())
          if (!stopped) show()
        }
      } catch (e) {
        if (!stopped) setState(old => ({ ...old, error: e as Error, loading: false }))
      } finally {
        busy = false
      }
    }

    const stop = onChanges(change => {
      if (change.kind === 'reset') {
        whole = true
        return true
      }
      const key = current.current.concerns(change)
      if (key !== undefined) changed.add(key)
      return key !== undefined
    }, () => void run())
    void run()
    return () => {
      stopped = true
      stop()
    }
  }, deps) // eslint-disable-line react-hooks/exhaustive-deps

  return state
}
