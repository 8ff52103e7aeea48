// How values and environments are told.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { environmentOf } from '../../src/data/environment'
import { amountOf, vcpus } from '../../src/data/names'
import { overridesOf, overridesProblem } from '../../src/data/overrides'
import { sizeProblems } from '../../src/data/scaling-groups'

test('amounts have their unit and as few digits as a scale needs', () => {
  for (const [value, unit, words] of [
    [12.345, 'percent', '12.3 %'],
    [0, 'seconds', '0 s'],
    [0.0351, 'seconds', '35.1 ms'],
    [9999, 'count', '10000'],
    [12_300, 'count', '12.3 k'],
    [8000, 'bytes', '8 kB'],
    [999, 'bytes', '999 B'],
    [1.5e6, 'bytes a second', '1.5 MB/s'],
    [0.94, 'MiB', '0.94 MiB'],
    [1536, 'MiB', '1.5 GiB'],
    [7, 'rate', '7/s'],
    [96, 'CPU units', '96'],
  ] as const)
    assert.equal(amountOf(value, unit), words)
  assert.equal(vcpus(256), '0.25 vCPU')
  assert.equal(vcpus(96), '0.0938 vCPU')
})

test('what a task was run with counts more than its definition', () => {
  const container = {
    environment: [{ name: 'B', value: '1' }, { name: 'A', value: '2' }],
    secrets: [{ name: 'KEY', valueFrom: 'arn:aws:ssm:us-east-1:1:parameter/key' }],
  }
  assert.deepEqual(environmentOf(container, { environment: [{ name: 'B', value: '3' }] }), [
    { name: 'A', value: '2', from: 'task definition' },
    { name: 'B', value: '3', from: 'override' },
    { name: 'KEY', value: 'arn:aws:ssm:us-east-1:1:parameter/key', from: 'secret' },
  ])
  assert.deepEqual(environmentOf({}), [])
})

test('the size of a group of machines', () => {
  const of = (minimum: string, desired: string, maximum: string) => Object.values(sizeProblems({ minimum, desired, maximum })).filter(Boolean)
  assert.deepEqual(of('0', '1', '2'), [])
  assert.match(of('3', '3', '2')[0]!, /at least the minimum, 3/)
  assert.match(of('1', '5', '2')[0]!, /5 is outside 1 to 2/)
  assert.match(of('-1', '1', '2')[0]!, /Minimum/)
})

test('what a run is asked for differs from the definition only where something was filled in', () => {
  const definition = { containerDefinitions: [{ name: 'web' }, { name: 'side' }] }
  assert.equal(overridesOf({}, definition), undefined)
  assert.equal(overridesOf({ web: { command: '', environment: [] } }, definition), undefined)
  assert.deepEqual(overridesOf({ web: { command: 'sh -c "exit 3"', environment: [{ key: 'A', value: 'b c' }] }, gone: { command: 'x', environment: [] } }, definition), [
    { name: 'web', command: ['sh', '-c', 'exit 3'], environment: [{ name: 'A', value: 'b c' }] },
  ])
  assert.equal(overridesProblem({ web: { command: 'ls', environment: [] } }), false)
  assert.equal(overridesProblem({ web: { command: "ls '", environment: [] } }), true)
  assert.equal(overridesProblem({ web: { command: '', environment: [{ key: '', value: 'x' }] } }), true)
})
