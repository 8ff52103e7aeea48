// A person's way through the console: cluster, task definition, service; a rollout, a crash, logs, a broken task, scaling, the end.
// Needs a running Gantry: LINK (gantry console), IMAGE (with busybox), and /kill on stdin's side: see tests/e2e/test_console_walk.py.
import assert from 'node:assert/strict'
import { choose, follow, open, picture, said, until, violations } from './browser.mjs'

const image = process.env.IMAGE
const opened = await open(process.env.LINK)
const { page } = opened
const bad = []

async function look(name) {
  await picture(page, name)
  bad.push(...(await violations(page)))
}

const text = async selector => (await page.locator(selector).first().textContent()) ?? ''
const heading = name => page.getByRole('heading', { name, level: 1 }).first().waitFor()

async function createCluster() {
  await page.getByRole('button', { name: 'Create cluster' }).first().click()
  await heading('Create cluster')
  await page.getByRole('button', { name: 'Create', exact: true }).click()
  await page.getByText('Cluster name: say one.').waitFor()
  await page.getByLabel('Cluster name').fill('my cluster')
  await page.getByText('" " is not allowed').waitFor()
  await look('cluster-create')
  await page.getByLabel('Cluster name').fill('shop')
  await page.getByRole('button', { name: 'Create', exact: true }).click()
  await heading('shop')
  await page.getByText('Cluster shop is there.').waitFor()
  said('cluster')
}

async function register(family, command, mode = 'bridge') {
  await page.goto(page.url().replace(/\/console\/.*/, '/console/task-definitions/create'))
  await page.getByRole('button', { name: 'Next' }).click()
  await page.getByText('Task definition family: say one.').waitFor()
  await page.getByText(/^Image: say one/).waitFor()
  await page.getByLabel('Task definition family').fill(family)
  await page.getByLabel('Image URI').fill(image)
  await page.getByLabel('Container port 1').fill('70000')
  await page.getByText('Container port: 70000 is outside').waitFor()
  await page.getByLabel('Container port 1').fill('8080')
  await page.getByRole('button', { name: /^Resource limits/ }).click()
  await page.getByLabel('Command', { exact: true }).fill(command)
  await page.getByLabel('CPU units').fill('64') // CPU in use is told in percent of it
  if (family === 'web') await look('task-definition-create')
  await page.getByRole('button', { name: 'Next' }).click()
  await page.getByText('Infrastructure requirements').waitFor()
  await page.getByLabel('Task CPU (units)').fill('')
  await page.getByLabel('Task memory (MiB)').fill('32')
  if (mode !== 'bridge') await choose(page, 'Network mode', mode)
  if (family === 'web') await look('task-definition-environment')
  await page.getByRole('button', { name: 'Next' }).click()
  await page.getByRole('heading', { name: 'Storage', exact: true }).waitFor()
  await page.getByRole('button', { name: 'Next' }).click()
  await page.getByRole('button', { name: /^Show as/ }).click()
  assert.match(await text('pre[aria-label="AWS CLI command"]'), /aws ecs register-task-definition/)
  await page.getByRole('button', { name: 'Create', exact: true }).click()
  await heading(`${family}:1`)
  said('task definition', family)
}

/** A new revision of web, by the JSON editor. */
async function newRevision(from, to) {
  await page.goto(page.url().replace(/\/console\/.*/, '/console/task-definitions/create?from=web'))
  const editor = page.getByLabel('Task definition as JSON')
  await until('the JSON', async () => (await editor.inputValue()).includes(from))
  const json = await editor.inputValue()
  await editor.fill('{"family": 1')
  assert.ok(await page.getByRole('button', { name: 'Create', exact: true }).isDisabled())
  await editor.fill(json.replaceAll(from, to))
  await page.getByRole('button', { name: 'Create', exact: true }).click()
  await page.getByRole('heading', { name: /^web:\d+$/, level: 1 }).first().waitFor()
  said('revision')
}

async function createService() {
  await page.goto(page.url().replace(/\/console\/.*/, '/console/clusters/default/services/create'))
  await heading('Create service')
  await page.getByRole('radio', { name: /Container instances/ }).check({ force: true })
  await choose(page, 'Task definition family', 'web')
  await page.getByLabel('Service name').fill('web')
  await page.getByLabel('Desired tasks').fill('2')
  await look('service-create')
  await page.getByRole('button', { name: 'Create', exact: true }).click()
  await heading('web')
  await running(2)
  await look('service')
  said('service')
}

const running = n => page.getByText(`${n} of ${n} running, 0 pending`).first().waitFor()

/** The address in the ports of the first running task. */
async function address() {
  await page.getByRole('tab', { name: 'Tasks' }).first().click()
  await page.getByRole('table', { name: 'Tasks' }).getByRole('link').first().click()
  await page.getByRole('table', { name: 'Containers' }).getByRole('link').first().waitFor()
  await look('task')
  const href = await page.getByRole('table', { name: 'Containers' }).getByRole('link').first().getAttribute('href')
  await page.getByRole('tab', { name: 'Logs' }).click()
  await page.getByText('hello from web').first().waitFor()
  await look('logs')
  await page.goBack()
  return href
}

const toService = () => page.goto(page.url().replace(/\/console\/.*/, '/console/clusters/default/services/web/health'))

async function rollOut() {
  await toService()
  await page.getByRole('button', { name: 'Update service' }).click()
  await page.getByRole('button', { name: /^Task definition revision/ }).click()
  await page.getByRole('option', { name: 'web:2' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Update', exact: true }).click()
  await until('both revisions in the picture', async () => {
    const squares = await page.locator('.square').evaluateAll(all => all.map(s => s.title))
    return squares.some(t => t.includes('web:1')) && squares.some(t => t.includes('web:2'))
  })
  await look('rollout')
  await until('only the new revision', async () => {
    const squares = await page.locator('.square').evaluateAll(all => all.map(s => s.title))
    return squares.length === 2 && squares.every(t => t.includes('web:2, running'))
  }, 60_000)
  said('rollout')
}

/** Somebody outside kills a container when this is printed; the picture has to show another task. */
async function crash() {
  await toService()
  await running(2)
  const before = await page.locator('.square').evaluateAll(all => all.map(s => s.title).sort())
  said('kill-a-container')
  const after = await until('another task', async () => {
    const now = await page.locator('.square').evaluateAll(all => all.map(s => s.title).sort())
    return now.length === 2 && now.every(t => t.includes('running')) && now.join() !== before.join() && now
  })
  assert.equal(after.length, 2)
  said('crash')
}

async function brokenTask() {
  await page.goto(page.url().replace(/\/console\/.*/, '/console/clusters/default/tasks/run'))
  await choose(page, 'Task definition', 'broken')
  await page.getByRole('button', { name: 'Create', exact: true }).click()
  await page.getByRole('tab', { name: 'Tasks' }).waitFor()
  await page.getByText('Stopped', { exact: true }).first().click()
  await page.getByRole('row', { name: /family:broken/ }).getByRole('link').first().click()
  await page.getByText(/its command did not start/).waitFor()
  await look('task-broken')
  said('broken')
}

async function scale() {
  await toService()
  await page.getByRole('button', { name: 'Update service' }).click()
  await page.getByRole('dialog').getByLabel('Desired tasks').fill('4')
  await page.getByRole('dialog').getByRole('button', { name: 'Update', exact: true }).click()
  await running(4)
  await page.getByRole('tab', { name: 'Events' }).click()
  await page.getByText('has reached a steady state').first().waitFor()
  await look('events')
  said('scaled')
}

/** What the tasks use, as lines that move on by themselves. */
async function charts() {
  await toService()
  await page.getByText('5 min', { exact: true }).click()
  const newest = () => page.getByText(/^CPU utilization, newest values: Average/).first().textContent()
  await page.getByText(/^CPU utilization, newest values: Average/).first().waitFor({ state: 'attached' })
  await page.getByText(/^Memory utilization, newest values: Average/).first().waitFor({ state: 'attached' })
  const line = () => page.locator('[aria-label="Memory utilization"] path').first().getAttribute('d')
  const before = await line()
  await until('the chart to move on', async () => (await line()) !== before)
  assert.match(await newest(), /%/)
  await look('metrics')
  said('charts')
}

/** A service with addresses of its own, a security group that the wizard makes, and a balancer; then all of it is deleted. */
async function networkService() {
  await page.goto(page.url().replace(/\/console\/.*/, '/console/clusters/default/services/create'))
  await page.getByRole('radio', { name: /Container instances/ }).check({ force: true })
  await choose(page, 'Task definition family', 'inside')
  await page.getByLabel('Service name').fill('inside')
  await page.getByText('No inbound rule opens port 8080').waitFor()
  await page.getByRole('button', { name: 'Open them in a new group' }).click()
  await page.getByLabel('Port of rule 1').waitFor()
  await page.getByLabel('Port of rule 1').fill('http')
  await page.getByRole('radio', { name: 'Create a new load balancer' }).check({ force: true })
  await page.getByLabel('Load balancer name').fill('-inside')
  await page.getByRole('button', { name: 'Create', exact: true }).click()
  await page.getByText('Port: a whole number').first().waitFor()
  await page.getByText('no hyphen at either end').first().waitFor()
  await page.getByLabel('Port of rule 1').fill('8080')
  await page.getByLabel('Load balancer name').fill('inside')
  await page.getByLabel('Listener port').fill('8090')
  await look('service-network')
  await page.getByRole('button', { name: 'Create', exact: true }).click()
  await heading('inside')
  await running(1)
  await page.getByRole('tab', { name: 'Networking' }).click()
  await page.getByText('TCP 8080 from 0.0.0.0/0').waitFor()
  await page.getByRole('table', { name: 'Targets' }).getByText('Healthy').waitFor()
  await look('service-targets')
  said('balancer', await page.getByRole('link', { name: /elb\.localhost/ }).first().getAttribute('href'))
  await page.getByRole('button', { name: 'Delete' }).first().click()
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
  await heading('default')
  said('network')
}

async function otherPages() {
  for (const [path, name] of [
    ['clusters', 'clusters'],
    ['clusters/default/infrastructure', 'infrastructure'],
    ['task-definitions', 'task-definitions'],
    ['task-definitions/web', 'revisions'],
    ['networks/groups', 'security-groups'],
    ['load-balancers', 'load-balancers'],
    ['logs', 'log-groups'],
    ['settings', 'settings'],
  ]) {
    await page.goto(page.url().replace(/\/console\/.*/, `/console/${path}`))
    await page.getByRole('heading', { level: 1 }).first().waitFor()
    await look(name)
  }
  await page.getByRole('button', { name: 'Dark mode' }).click()
  await look('dark')
  await page.getByRole('button', { name: 'Light mode' }).click()
  said('pages')
}

async function deleteAll() {
  await toService()
  await page.getByRole('button', { name: 'Delete' }).first().click()
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
  await page.getByRole('heading', { name: 'default', level: 1 }).first().waitFor()
  await page.getByText('No services').waitFor()
  await page.goto(page.url().replace(/\/console\/.*/, '/console/clusters/shop/services'))
  await page.getByRole('button', { name: 'Delete cluster' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
  await page.getByText('Cluster shop is deleted.').waitFor()
  said('deleted')
}

await follow(opened, async () => {
  await createCluster()
  await register('web', `sh -c "mkdir /www; echo first > /www/index.html; echo hello from web; exec httpd -f -p 8080 -h /www"`)
  await register('broken', '/no/such/program')
  await register('inside', `sh -c "mkdir /www; echo first > /www/index.html; exec httpd -f -p 8080 -h /www"`, 'awsvpc')
  await createService()
  said('address', await address())
  await newRevision('first', 'second')
  await rollOut()
  await crash()
  await brokenTask()
  await scale()
  await charts()
  await networkService()
  await otherPages()
  await deleteAll()
  assert.equal([...new Set(bad)].join('\n'), '', 'accessibility')
})
