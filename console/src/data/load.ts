// Loading what a page shows, and loading it again when the server says that it has changed.
import { startTransition, useCallback, useEffect, useRef, useState } from 'react'

import { type Change, onChanges } from './live'

export interface Loaded<T> {
  data: T | undefined
  error: Error | undefined
  loading: boolean
  reload: () => void
}

/**
 * Runs `load` now, whenever a dependency changes, and after each change of the server's state that `concerns` names (undefined: any
 * change). An answer that comes after a newer question is dropped.
 */
export function useLoad<T>(load: () => Promise<T>, deps: unknown[], concerns?: (change: Change) => boolean): Loaded<T> {
  const [state, setState] = useState<{ data?: T; error?: Error; loading: boolean }>({ loading: true })
  const question = useRef(0)
  const running = useRef(false)
  const again = useRef(false)
  const wanted = useRef(concerns)
  wanted.current = concerns

  const run = useCallback(async () => {
    if (running.current) {
      again.current = true
      return
    }
    const mine = question.current
    running.current = true
    try {
      const data = await load()
      // Drawn between frames: nobody waits for what has changed by itself, but everybody for what he has clicked.
      if (mine === question.current) startTransition(() => setState({ data, loading: false }))
    } catch (e) {
      if (mine === question.current) setState(old => ({ ...old, error: e as Error, loading: false }))
    } finally {
      running.current = false
      if (again.current) {
        again.current = false
        void run()
      }
    }
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, deps)

  useEffect(() => {
    question.current++
    setState(old => ({ ...old, loading: true }))
    void run()
    const stop = onChanges(change => wanted.current?.(change) ?? true, () => void run())
    return () => {
      question.current++
      stop()
    }
  }, [run])

  return { data: state.data, error: state.error, loading: state.loading, reload: run }
}

/** Calls `page` with each token until there is none; at most `most` items. */
export async function all<T>(page: (token: string | undefined) => Promise<[T[] | undefined, string | undefined]>, most = 20_000): Promise<T[]> {
  const items: T[] = []
  let token: string | undefined
  do {
    const [more, next] = await page(token)
    items.push(...(more ?? []))
    token = next
  } while (token && items.length < most)
  return items
}

/** `call` for slices of at most `size`, several at once, in order. */
export async function inSlices<I, O>(items: I[], size: number, call: (slice: I[]) => Promise<O[]>): Promise<O[]> {
  const slices: I[][] = []
  for (let i = 0; i < items.length; i += size) slices.push(items.slice(i, i + size))
  const answers: O[][] = new Array(slices.length)
  let next = 0
  await Promise.all(
    Array.from({ length: Math.min(4, slices.length) }, async () => {
      while (next < slices.length) {
        const mine = next++
        answers[mine] = await call(slices[mine]!)
      }
    }),
  )
  return answers.flat()
}
