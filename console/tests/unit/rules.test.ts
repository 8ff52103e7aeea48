// The rules of the forms: one bad value in each field, and what is said of it.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { containerMembers, definitionProblem, members } from '../../src/data/definition-json'
import { type Draft, draftProblems, newContainer, newDraft, requestOf, words } from '../../src/data/draft'
import { nameProblem, numberProblem, sourceProblem, tagProblems, typedProblems } from '../../src/data/rules'
import { limitsProblems, newSchedule, newTracking, scheduleProblems, trackingProblems } from '../../src/data/scaling'
import { newServiceDraft, type ServiceDraft, serviceProblems } from '../../src/data/service-draft'

const root = process.env.GANTRY_SOURCE ?? join(process.cwd(), '..')
const container = { ...newContainer(1), image: 'nginx' }
const draft: Draft = { ...newDraft(), family: 'web', containers: [container] }

test('a definition without faults has no problem', () => assert.deepEqual(draftProblems(draft), {}))

const port = { containerPort: '80', hostPort: '', protocol: 'tcp' as const }
const mount = { volume: 'data', hostPath: '', containerPath: '/data', readOnly: false }

const definitionCases: [string, Partial<Draft>, RegExp][] = [
  ['family', { family: 'a b' }, /" " is not allowed/],
  ['cpu', { cpu: '64' }, /outside 128 to/],
  ['cpu', { containers: [{ ...container, cpu: '2048' }] }, /together/],
  ['memory', { memory: '1' }, /outside 4 to/],
  ['memory', { launchType: 'FARGATE', cpu: '256', memory: '100' }, /512 to 2048/],
  ['cpu', { launchType: 'FARGATE', cpu: '300' }, /Fargate has/],
  ['taskRole', { taskRole: 'no such thing' }, /arn:aws:iam/],
  ['executionRole', { executionRole: 'arn:aws:iam::1:role/x' }, /arn:aws:iam/],
  ['containers', { containers: [{ ...container, essential: false }] }, /essential/],
  ['containers[0].name', { containers: [{ ...container, name: 'a/b' }] }, /"\/" is not allowed/],
  ['containers[1].name', { containers: [container, container] }, /twice/],
  ['containers[0].image', { containers: [{ ...container, image: 'ngi nx' }] }, /" " is not allowed/],
  ['containers[0].image', { containers: [{ ...container, image: 'x'.repeat(256) }] }, /at most 255/],
  ['containers[0].ports[0].containerPort', { containers: [{ ...container, ports: [{ ...port, containerPort: '0' }] }] }, /outside 1 to 65535/],
  ['containers[0].ports[0].hostPort', { containers: [{ ...container, ports: [{ ...port, hostPort: 'x' }] }] }, /whole number/],
  ['containers[0].ports[1].hostPort', { containers: [{ ...container, ports: [{ ...port, hostPort: '80' }, { ...port, hostPort: '80' }] }] }, /80\/tcp is given twice/],
  ['containers[0].ports[1].containerPort', { networkMode: 'awsvpc', containers: [{ ...container, ports: [port, port] }] }, /80\/tcp is given twice/],
  ['containers[0].ports[0].containerPort', { networkMode: 'none' }, /network mode none/],
  ['containers[0].cpu', { containers: [{ ...container, cpu: '-1' }] }, /outside 0 to/],
  ['containers[0].memory', { containers: [{ ...container, memory: '5' }] }, /outside 6 to/],
  ['containers[0].memory', { containers: [{ ...container, memory: '1024' }] }, /the task has 512 MiB/],
  ['containers[0].memory', { memory: '' }, /give the container a limit/],
  ['containers[0].command', { containers: [{ ...container, command: 'sh -c "exit' }] }, /not closed/],
  ['containers[0].environment[0].key', { containers: [{ ...container, environment: [{ key: '', value: '1' }] }] }, /name of the variable/],
  ['containers[0].environment[1].key', { containers: [{ ...container, environment: [{ key: 'A', value: '1' }, { key: 'A', value: '2' }] }] }, /twice/],
  ['containers[0].mounts[0].volume', { containers: [{ ...container, mounts: [{ ...mount, volume: '' }] }] }, /say one/],
  ['containers[0].mounts[0].containerPath', { containers: [{ ...container, mounts: [{ ...mount, containerPath: 'data' }] }] }, /begin with/],
  ['containers[0].mounts[1].containerPath', { containers: [{ ...container, mounts: [mount, { ...mount, volume: 'b' }] }] }, /there already/],
  ['containers[0].mounts[0].hostPath', { containers: [{ ...container, mounts: [{ ...mount, hostPath: 'x' }] }] }, /begin with/],
  ['containers[0].mounts[1].hostPath', { containers: [{ ...container, mounts: [mount, { ...mount, hostPath: '/x', containerPath: '/y' }] }] }, /two of them/],
  ['tags[0].key', { tags: [{ key: '', value: 'x' }] }, /say one/],
]

test('each field of a task definition', () => {
  for (const [field, change, says] of definitionCases) assert.match(draftProblems({ ...draft, ...change })[field] ?? 'nothing', says, `${field} of ${JSON.stringify(change)}`)
})

const vpcDefinition = { networkMode: 'awsvpc', compatibilities: ['EC2'], containerDefinitions: [{ name: 'web', portMappings: [{ containerPort: 80 }] }] } as never
const service: ServiceDraft = { ...newServiceDraft('web'), vpc: 'vpc-1', subnets: ['subnet-1'], newGroup: true, groupName: 'web', container: 'web:80' }
const balanced = { balancer: 'new' as const, balancerName: 'web', listenerPort: '80', healthPath: '/' }

test('a service without faults has no problem', () => assert.deepEqual(serviceProblems({ ...service, ...balanced }, vpcDefinition), {}))

const serviceCases: [string, Partial<ServiceDraft>, RegExp][] = [
  ['name', { name: '' }, /say one/],
  ['name', { name: 'x'.repeat(256) }, /at most 255/],
  ['taskDefinition', { taskDefinition: '' }, /choose one/],
  ['launchType', { launchType: 'FARGATE' }, /made for EC2/],
  ['strategy', { launchType: 'FARGATE', strategy: 'DAEMON' }, /daemons/],
  ['desired', { desired: '5001' }, /outside 0 to 5000/],
  ['minimum', { minimum: '101' }, /outside 0 to 100/],
  ['maximum', { maximum: '' }, /whole number/],
  ['subnets', { subnets: [] }, /at least one/],
  ['subnets', { subnets: Array(17).fill('subnet-1') }, /at most 16/],
  ['groups', { newGroup: false, groups: Array(6).fill('sg-1') }, /at most 5/],
  ['groupName', { groupName: 'sg-mine' }, /not beginning with sg-/],
  ['inbound[0].port', { inbound: [{ port: '80-90', source: '0.0.0.0/0' }] }, /whole number/],
  ['inbound[0].source', { inbound: [{ port: '80', source: '300.0.0.0/8' }] }, /a range such as/],
  ['container', { ...balanced, container: 'web:81' }, /choose one of its ports/],
  ['targetGroup', { balancer: 'existing' }, /choose one/],
  ['balancerName', { ...balanced, balancerName: 'internal-web' }, /1 to 32 letters/],
  ['listenerPort', { ...balanced, listenerPort: '0' }, /outside 1 to 65535/],
  ['healthPath', { ...balanced, healthPath: 'health' }, /begin with/],
]

test('each field of a service', () => {
  for (const [field, change, says] of serviceCases)
    assert.match((serviceProblems({ ...service, ...change }, vpcDefinition) as Record<string, string>)[field] ?? 'nothing', says, `${field} of ${JSON.stringify(change)}`)
})

test('tags', () => {
  assert.deepEqual(tagProblems([{ key: 'größe', value: 'a+b=c' }]), {})
  assert.match(tagProblems([{ key: 'AWS:x', value: '' }])['[0].key']!, /reserved/)
  assert.match(tagProblems([{ key: 'x'.repeat(129), value: '' }])['[0].key']!, /128/)
  assert.match(tagProblems([{ key: 'a', value: 'x'.repeat(257) }])['[0].value']!, /256/)
  assert.match(tagProblems([{ key: 'a', value: '' }, { key: 'a', value: '' }])['[1].key']!, /twice/)
  assert.match(tagProblems([{ key: 'a', value: '<b>' }])['[0].value']!, /Only letters/)
})

test('auto scaling', () => {
  assert.equal(limitsProblems({ minimum: '1', maximum: '2' }).maximum, undefined)
  assert.match(limitsProblems({ minimum: '3', maximum: '2' }).maximum!, /not less/)
  assert.match(limitsProblems({ minimum: '', maximum: '2' }).minimum!, /whole number/)
  assert.match(trackingProblems({ ...newTracking, target: '0' }).target!, /above 0/)
  assert.match(trackingProblems({ ...newTracking, scaleInCooldown: '1.5' }).scaleInCooldown!, /whole number/)
  const good = { ...newSchedule, name: 'a', minimum: '1' }
  for (const schedule of ['at(2030-01-31T08:00:00)', 'rate(5 minutes)', 'rate(1 hour)', 'cron(0 8 ? * MON-FRI *)'])
    assert.equal(scheduleProblems({ ...good, schedule }).schedule, undefined, schedule)
  for (const schedule of ['', 'at(tomorrow)', 'rate(5 minute)', 'rate(0 minutes)', 'cron(0 8 * * *)', '0 8 * * *']) assert.ok(scheduleProblems({ ...good, schedule }).schedule, schedule)
  assert.match(scheduleProblems({ ...good, zone: 'Mars/Base' }).zone!, /tz database/)
  assert.match(scheduleProblems({ ...good, minimum: '' }).minimum!, /or both/)
})

test('JSON of a task definition', () => {
  const said = (value: unknown) => definitionProblem(typeof value === 'string' ? value : JSON.stringify(value)) ?? ''
  const one = { name: 'web', image: 'nginx' }
  assert.equal(said({ family: 'web', containerDefinitions: [one] }), '')
  assert.match(said('{"family": 1'), /^No JSON/)
  assert.match(said('[]'), /One JSON object/)
  assert.match(said({ family: 'a b', containerDefinitions: [one] }), /" " is not allowed/)
  assert.match(said({ family: 'web', containerDefinitions: [] }), /at least one/)
  assert.match(said({ family: 'web', containerDefinition: [one] }), /no such member/)
  assert.match(said({ Family: 'web' }), /do you mean family/)
  assert.match(said({ family: 'web', cpu: 256, containerDefinitions: [one] }), /cpu: a text/)
  assert.match(said({ family: 'web', containerDefinitions: [{ ...one, memory: '64' }] }), /\[0\]: memory: a whole number/)
  assert.match(said({ family: 'web', containerDefinitions: [{ ...one, command: 'ls' }] }), /command: a list/)
  assert.match(said({ family: 'web', containerDefinitions: [one, one] }), /twice/)
  assert.match(said({ family: 'web', containerDefinitions: [{ name: 'web' }] }), /image are wanted/)
})

test('the members that JSON may have are those of the API', () => {
  const idl = readFileSync(join(root, 'api/ecs.idl'), 'utf8')
  const of = (struct: string) => idl.match(new RegExp(`^struct ${struct}\\n((?: {2}.*\\n)+)`, 'm'))![1]!.trim().split('\n').map(line => line.trim().split(/\s+/)[0])
  assert.deepEqual(members, of('RegisterTaskDefinitionRequest'))
  assert.deepEqual(containerMembers, of('ContainerDefinition'))
})

test('names, numbers, sources', () => {
  assert.equal(nameProblem('Name', 'a-b_9'), undefined)
  assert.equal(numberProblem('N', ' 5 ', 1, 5), undefined)
  for (const source of ['0.0.0.0/0', '10.1.2.3/32', 'sg-0a1b']) assert.equal(sourceProblem(source), undefined)
  for (const source of ['10.0.0.0', '10.0.0.0/33', '10.0.0/8', '256.0.0.0/8', 'sg-', 'everybody', '10.0.0.0/8/8']) assert.ok(sourceProblem(source), source)
})

test('problems of what was typed in are said at once', () => {
  assert.deepEqual(typedProblems({ a: '', b: 'x', c: [{ d: 'y' }] }, { a: '1', b: '2', 'c[0].d': '3', e: '4' }), { b: '2', 'c[0].d': '3' })
})

test('command lines are words', () => {
  assert.deepEqual(words(`sh -c "echo \\"a b\\"" 'c d'`), ['sh', '-c', 'echo "a b"', 'c d'])
  assert.deepEqual(requestOf(draft, 'us-east-1').containerDefinitions![0]!.portMappings, [{ containerPort: 80, hostPort: undefined, protocol: 'tcp' }])
})
