// Loading what a page shows, and loading it again when the server says that it has changed.
import { useCallback, useEffect, useRef, useState } from 'react'

import { type Change, onChange } from './live'

export interface Loaded<T> {
  data: T | undefined
  error: Error | undefined
  loading: boolean
  reload: () => void
}

// Changes come in bursts: one reload serves all of a burst, and the next waits until this one is there.
const BURST_MS = 150

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
      if (mine === question.current) setState({ data, loading: false })
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
    let timer: ReturnType<typeof setTimeout> | undefined
    const stop = onChange(change => {
      if (timer || (wanted.current && !wanted.current(change))) return
      timer = setTimeout(() => {
        timer = undefined
        void run()
      }, BURST_MS)
    })
    return () => {
      question.current++
      stop()
      clearTimeout(timer)
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
