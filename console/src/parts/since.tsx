// "3 min ago", kept true, with the whole date as its title.
import { useEffect, useState } from 'react'

import { ago } from '../data/names'

export function Since({ time }: { time: Date | undefined }) {
  const [, tick] = useState(0)
  useEffect(() => {
    const timer = setInterval(() => tick(n => n + 1), 10_000)
    return () => clearInterval(timer)
  }, [])
  if (!time) return <>–</>
  return (
    <time dateTime={time.toISOString()} title={time.toLocaleString()}>
      {ago(time)}
    </time>
  )
}
