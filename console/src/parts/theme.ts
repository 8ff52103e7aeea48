// Light or dark: the person's choice here, else the system's.
import { applyMode, Mode } from '@cloudscape-design/global-styles'
import { useEffect, useState } from 'react'

const KEY = 'gantry-mode'
const system = window.matchMedia('(prefers-color-scheme: dark)')

function wanted(): Mode {
  const kept = localStorage.getItem(KEY)
  if (kept === Mode.Dark || kept === Mode.Light) return kept as Mode
  return system.matches ? Mode.Dark : Mode.Light
}

export function useMode(): [Mode, () => void] {
  const [mode, setMode] = useState(wanted)
  useEffect(() => applyMode(mode), [mode])
  useEffect(() => {
    const follow = () => setMode(wanted())
    system.addEventListener('change', follow)
    return () => system.removeEventListener('change', follow)
  }, [])
  return [
    mode,
    () => {
      const next = mode === Mode.Dark ? Mode.Light : Mode.Dark
      localStorage.setItem(KEY, next)
      setMode(next)
    },
  ]
}
