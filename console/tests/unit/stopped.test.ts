// Every reason for which a task can stop has an explanation.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { advice } from '../../src/data/stopped'

const root = join(process.env.GANTRY_SOURCE ?? join(process.cwd(), '..'))

function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap(entry => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return sources(path)
    return /\.[ch]$/.test(entry.name) ? [readFileSync(join(root, path), 'utf8')] : []
  })
}

const general = advice({ stopCode: 'TaskFailedToStart', containers: [] })

test('each stop code of the API', () => {
  const idl = readFileSync(join(root, 'api/ecs.idl'), 'utf8')
  const codes = idl.match(/^enum TaskStopCode\n((?: {2}\w+\n)+)/m)![1]!.trim().split(/\s+/)
  assert.ok(codes.length >= 6)
  for (const stopCode of codes) assert.ok(advice({ stopCode: stopCode as never }).length > 20, `no explanation of the stop code ${stopCode}`)
})

test('each error that the agent gives as a reason', () => {
  const folders = ['src/agent', 'src/image', 'src/runtime', 'src/microvm']
  const names = new Set(folders.flatMap(sources).flatMap(text => [...text.matchAll(/"([A-Z][a-z]\w*Error)[": ]/g)].map(match => match[1]!)))
  assert.ok(names.has('CannotPullContainerError') && names.size > 10, [...names].join())
  for (const name of names) {
    const said = advice({ stopCode: 'TaskFailedToStart', containers: [{ name: 'web', reason: `${name}: details` }] })
    assert.notEqual(said, general, `no explanation of ${name}`)
  }
})

test('each reason that the server gives by itself', () => {
  const texts = [...sources('src/control'), ...sources('src/api')].join('\n')
  const defined = [...texts.matchAll(/#define \w*(?:REASON|UNAVAILABLE)\w* "([^"]+)"/g)].map(match => match[1]!)
  const built = [...texts.matchAll(/reason = (?:arena_printf\(tx_arena\(run->tx\), )?"([^"]+)"/g)].map(match => match[1]!).filter(text => /^(Task|Scaling)/.test(text))
  assert.ok(defined.length >= 6 && built.length >= 3, `${defined.length} and ${built.length}`)
  // These say only what the stop code says, too.
  const plain = ['Task stopped by user', 'Essential container in task exited', 'Task failed to start']
  for (const stoppedReason of [...defined, ...built].filter(text => !plain.includes(text)))
    assert.ok(advice({ stoppedReason }).length > 20, `no explanation of "${stoppedReason}"`)
})

test('exit codes', () => {
  const ended = (exitCode: number) => advice({ stopCode: 'EssentialContainerExited', stoppedReason: 'Essential container in task exited', containers: [{ name: 'web', exitCode }] })
  assert.match(ended(0), /exit code 0/)
  assert.match(ended(3), /web ended with exit code 3\./)
  assert.match(ended(127), /not found in the image/)
  assert.match(ended(139), /SIGSEGV/)
})

test('what is special comes before what is general', () => {
  assert.match(advice({ stoppedReason: 'CannotPullContainerAuthError: denied' }), /repositoryCredentials/)
  assert.match(advice({ stoppedReason: 'CannotStartContainerError: port 80 is in use' }), /host port/)
  assert.match(advice({ stoppedReason: 'ResourceInitializationError: unable to read secret db' }), /execution role/)
  assert.match(advice({ stoppedReason: 'Task failed ELB health checks in (target-group x)' }), /grace period/)
})
