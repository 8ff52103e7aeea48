// The server's stream of changes (GET /events, server-sent events), read with fetch because it has to be signed.
import { Sha256 } from '@aws-crypto/sha256-js'
import { HttpRequest } from '@smithy/protocol-http'
import { SignatureV4 } from '@smithy/signature-v4'
import { useSyncExternalStore } from 'react'

import { session } from '../session'

export interface Change {
  /** "task", "service", "container-instance", "cluster"…; "reset": anything may have changed. */
  kind: string
  /** "CLUSTER/ID" of the object. */
  key: string
  /** Of a task: the service that it belongs to. */
  service?: string
}

type Listener = (change: Change) => void

const listeners = new Set<Listener>()
const watchers = new Set<() => void>()
let reading = false
let lastId = ''
let lost = false

/** Calls `listener` with each change until the returned function is called. */
function onChange(listener: Listener): () => void {
  listeners.add(listener)
  if (!reading) void read()
  return () => listeners.delete(listener)
}

// Changes come in bursts: one look at the server serves all of a burst. As long as they do not stop there are at most two a second.
const BURST_MS = 150
const PAUSE_MS = 500

/**
 * Calls `look` soon after a change that `take` takes (returns true for), but not once for every one of them, until the returned function
 * is called.
 */
export function onChanges(take: (change: Change) => boolean, look: () => void): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined
  let last = 0
  const stop = onChange(change => {
    if (!take(change) || timer !== undefined) return
    timer = setTimeout(() => {
      timer = undefined
      last = performance.now()
      look()
    }, Math.max(BURST_MS, last + PAUSE_MS - performance.now()))
  })
  return () => {
    stop()
    clearTimeout(timer)
  }
}

function setLost(now: boolean) {
  if (lost === now) return
  lost = now
  watchers.forEach(watcher => watcher())
}

/** Whether the server does not answer at the moment. */
export function useLost(): boolean {
  return useSyncExternalStore(
    watcher => {
      watchers.add(watcher)
      return () => watchers.delete(watcher)
    },
    () => lost,
  )
}

function tell(change: Change) {
  listeners.forEach(listener => listener(change))
}

async function open(): Promise<Response> {
  const keys = session()
  if (!keys) throw new Error('not signed in')
  const signer = new SignatureV4({ service: 'ecs', region: keys.region, sha256: Sha256, credentials: keys as never })
  const request = new HttpRequest({
    method: 'GET',
    protocol: window.location.protocol,
    hostname: window.location.hostname,
    port: window.location.port ? Number(window.location.port) : undefined,
    path: '/events',
    headers: { host: window.location.host },
  })
  const signed = await signer.sign(request)
  delete signed.headers['host'] // the browser's own
  return fetch('/events', { headers: { ...signed.headers, ...(lastId && { 'Last-Event-ID': lastId }) } })
}

/** One event of the stream: its fields, lines of "name: value". */
function take(block: string) {
  let data = ''
  let event = ''
  for (const line of block.split('\n')) {
    if (line.startsWith('id:')) lastId = line.slice(3).trim()
    else if (line.startsWith('event:')) event = line.slice(6).trim()
    else if (line.startsWith('data:')) data += line.slice(5).trim()
  }
  if (event === 'reset') tell({ kind: 'reset', key: '' })
  else if (event === 'change') tell(JSON.parse(data) as Change)
}

async function follow() {
  const answer = await open()
  setLost(false)
  if (!answer.ok || !answer.body) throw new Error(`no stream: ${answer.status}`)
  // Who comes back with the last id that he has seen is told what followed, or to ask for everything again.
  if (!lastId) tell({ kind: 'reset', key: '' })
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    text += value
    let end: number
    while ((end = text.indexOf('\n\n')) >= 0) {
      take(text.slice(0, end))
      text = text.slice(end + 2)
    }
  }
}

/** Reads as long as somebody listens. Without a stream everything counts as changed every two seconds. */
async function read() {
  reading = true
  while (listeners.size > 0) {
    try {
      await follow()
    } catch (e) {
      if (e instanceof TypeError) setLost(true) // what fetch says when nobody answers
      tell({ kind: 'reset', key: '' })
    }
    await new Promise(done => setTimeout(done, 2000))
  }
  reading = false
}
