// Who is signed in: the keys of a session, kept until the browser's tab closes.
import { useSyncExternalStore } from 'react'

export interface Session {
  accessKeyId: string
  secretAccessKey: string
  sessionToken?: string
  region: string
  account: string
  expiration?: number // milliseconds since 1970; absent: the keys last
}

const KEY = 'gantry-session'
const listeners = new Set<() => void>()
let current = read()

function read(): Session | null {
  const text = sessionStorage.getItem(KEY)
  if (!text) return null
  const session = JSON.parse(text) as Session
  return session.expiration && session.expiration < Date.now() ? null : session
}

function set(session: Session | null) {
  current = session
  if (session) sessionStorage.setItem(KEY, JSON.stringify(session))
  else sessionStorage.removeItem(KEY)
  listeners.forEach(listener => listener())
}

export function session(): Session | null {
  return current
}

export function signIn(keys: Session) {
  set(keys)
}

export function signOut() {
  set(null)
}

/** Changes the one-time code of a sign-in link into keys. Throws with the server's words when the code is not good any more. */
export async function signInWithCode(code: string) {
  const answer = await fetch('/console/session', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ code }),
  })
  const body = await answer.json()
  if (!answer.ok) throw new Error(body.message ?? answer.statusText)
  set(body as Session)
}

export function useSession(): Session | null {
  return useSyncExternalStore(
    listener => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    () => current,
  )
}
