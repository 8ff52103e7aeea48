// Every page of the console, on a server whose nodes are simulated: accessible in light and dark and with its dialogs open, usable with
// the keyboard alone, and exact about what is wrong with what was typed in. LINK: what gantry console prints.
import assert from 'node:assert/strict'
import { choose, follow, open, said, until, violations } from './browser.mjs'

const opened = await open(process.env.LINK)
const { browser, page } = opened
const root = page.url().replace(/\/console\/.*/, '/console/')
const go = async (path, heading) => {
  await page.goto(root + path)
  await page.getByRole('heading', { name: heading, level: 1 }).first().waitFor()
}

/** Nothing on the page is being loaded. */
const settled = () => until('the page to be loaded', async () => (await page.getByText(/^Loading/).count()) === 0)

// What changes something: none may be sent as long as a field is wrong.
const sent = []
page.on('request', request => {
  const body = `${request.headers()['x-amz-target'] ?? ''} ${request.postData() ?? ''}`
  const operation = body.match(/(?:\.|Action=)((?:Create|Register|Put|Update|Delete|Authorize|Run|Tag)\w+)/)?.[1]
  if (operation) sent.push(operation)
})

// ---- accessibility ----

const pages = [
  ['clusters', 'Clusters'],
  ['clusters/create', 'Create cluster'],
  ['clusters/default/services', 'default', 'Update cluster'],
  ['clusters/default/tasks', 'default'],
  ['clusters/default/infrastructure', 'default'],
  ['clusters/default/schedules', 'default'],
  ['clusters/default/metrics', 'default'],
  ['clusters/default/tags', 'default', 'Manage tags'],
  ['clusters/default/services/create', 'Create service'],
  ['clusters/default/tasks/run', 'Run task'],
  ['clusters/default/services/web/health', 'web', 'Update service'],
  ['clusters/default/services/web/deployments', 'web'],
  ['clusters/default/services/web/events', 'web'],
  ['clusters/default/services/web/configuration', 'web', 'Delete'],
  ['clusters/default/services/web/scaling', 'web', 'Use auto scaling'],
  ['clusters/empty/infrastructure', 'empty'],
  ['task-definitions', 'Task definitions'],
  ['task-definitions/create', 'Name, image and port'],
  ['task-definitions/create?from=web', 'Create new revision'],
  ['task-definitions/web', 'web'],
  ['task-definitions/web/1', 'web:1', 'Deregister'],
  ['scaling-groups', 'Auto Scaling groups'],
  ['scaling-groups/pool', 'pool', 'Edit size'],
  ['load-balancers', 'Load balancers'],
  ['networks/groups', 'Networks'],
  ['logs', 'Log groups'],
  ['alarms', 'Alarms'],
  ['alarms/busy', 'busy', 'Delete'],
  ['settings', 'Settings'],
  ['nowhere/at/all', 'There is no such page'],
]

async function accessible() {
  const bad = []
  for (const [path, heading, dialog] of pages) {
    await go(path, heading)
    assert.match(await page.title(), /.+ · Gantry$/)
    await settled()
    const elsewhere = page.getByRole('navigation').getByRole('link', { name: 'Logs', exact: true }).first()
    assert.ok(await elsewhere.isVisible(), `the way elsewhere, at ${path}`)
    assert.equal(await elsewhere.evaluate(link => link.pathname ?? '/console/logs'), '/console/logs', 'good in a tab of its own, too')
    bad.push(...(await violations(page)))
    await page.getByRole('button', { name: 'Dark mode' }).click()
    if (dialog) {
      await page.getByRole('button', { name: dialog, exact: true }).first().click()
      await page.getByRole('dialog').waitFor()
    }
    bad.push(...(await violations(page)).map(text => `dark: ${text}`))
    if (dialog) {
      await page.keyboard.press('Escape')
      await page.getByRole('dialog').waitFor({ state: 'hidden' })
      // Who closes a dialog is where he opened it.
      await until('the focus to be back', () => page.evaluate(name => document.activeElement?.textContent?.includes(name), dialog))
    }
    await page.getByRole('button', { name: 'Light mode' }).click()
  }
  assert.equal([...new Set(bad)].join('\n'), '', 'accessibility')
  said('accessible')
}

// ---- bad input ----

/** One page, what to press before, a bad value for each field with what is said of it, and the button that would send it. */
const forms = [
  {
    path: 'clusters/create',
    heading: 'Create cluster',
    before: ['Add tag'],
    fields: [
      ['Cluster name', 'my cluster', '" " is not allowed'],
      ['Key of tag 1', 'aws:mine', 'The prefix aws: is reserved'],
      ['Value of tag 1', '<b>', 'Only letters, digits, spaces'],
    ],
    send: 'Create',
  },
  {
    path: 'task-definitions/create',
    heading: 'Name, image and port',
    before: [/^Resource limits/, 'Add environment variable', 'Add environment variable'],
    fields: [
      ['Task definition family', 'a/b', '"/" is not allowed'],
      ['Name', 'web.1', '"." is not allowed'],
      ['Image URI', 'ngi nx', '" " is not allowed; use letters, digits and'],
      ['Container port 1', '70000', '70000 is outside 1 to 65535'],
      ['Host port 1', 'http', 'Host port: a whole number'],
      ['CPU units', '-1', '-1 is outside 0 to'],
      ['Memory limit (MiB)', '5', '5 is outside 6 to'],
      ['Command', 'sh -c "exit', 'a " is not closed'],
      ['Variable 1', 'A', undefined],
      ['Variable 2', 'A', '"A" is given twice'],
    ],
    send: 'Next',
  },
  {
    path: 'clusters/default/services/create?taskDefinition=inside',
    heading: 'Create service',
    ready: 'No inbound rule opens port 80',
    before: ['Open them in a new group'],
    radios: ['Create a new load balancer'],
    fields: [
      ['Service name', 'my service', '" " is not allowed'],
      ['Desired tasks', '5001', '5001 is outside 0 to 5000'],
      ['Minimum running tasks (%)', '101', '101 is outside 0 to 100'],
      ['Maximum running tasks (%)', 'all', 'Maximum running tasks: a whole number'],
      ['Security group name', 'sg-mine', 'not beginning with sg-'],
      ['Port of rule 1', 'http', 'Port: a whole number'],
      ['Source of rule 1', '10.0.0.0/33', 'Source: a range such as'],
      ['Load balancer name', '-web', 'no hyphen at either end'],
      ['Listener port', '0', 'Listener port: 0 is outside'],
      ['Health check path', 'health', 'it must begin with "/"'],
    ],
    send: 'Create',
  },
  {
    path: 'clusters/default/tasks/run',
    heading: 'Run task',
    fields: [['Number of tasks', '11', '11 is outside 1 to 10']],
    send: 'Create',
    says: 'Task definition: choose one.',
  },
  {
    path: 'clusters/default/tasks/run?taskDefinition=web',
    heading: 'Run task',
    before: [/^Container overrides/, 'Add environment variable', 'Add environment variable'],
    fields: [
      ['Command of web', 'sh -c "exit', 'a " is not closed'],
      ['Variable 1 of web', 'A', undefined],
      ['Variable 2 of web', 'A', '"A" is given twice'],
    ],
    send: 'Create',
  },
  {
    path: 'scaling-groups/pool',
    heading: 'pool',
    before: ['Edit size'],
    fields: [
      ['Desired', '4', '4 is outside 0 to 3'],
      ['Minimum', '5', 'at least the minimum, 5'],
      ['Maximum', 'many', 'Maximum: a whole number'],
    ],
    send: 'Update',
    disabled: true,
  },
  { path: 'clusters/default/services/web/health', heading: 'web', before: ['Update service'], fields: [['Desired tasks', '-1', '-1 is outside 0 to 5000']], send: 'Update', disabled: true },
  {
    path: 'clusters/default/services/web/scaling',
    heading: 'web',
    before: ['Use auto scaling'],
    fields: [['Minimum tasks', '9', undefined], ['Maximum tasks', '3', 'not less than the minimum']],
    send: 'Save',
    disabled: true,
  },
  {
    path: 'clusters/default/services/scaled/scaling',
    heading: 'scaled',
    before: ['Create policy'],
    fields: [
      ['Policy name', '', 'Policy name: say one'],
      ['Target value', '0', 'a number above 0'],
      ['Scale-out cooldown (s)', 'x', 'Scale-out cooldown: a whole number'],
      ['Scale-in cooldown (s)', '-5', '-5 is outside 0 to'],
    ],
    send: 'Create',
    disabled: true,
  },
  {
    path: 'clusters/default/services/scaled/scaling',
    heading: 'scaled',
    before: ['Create scheduled action'],
    fields: [
      ['Name', '', 'Name: say one'],
      ['Schedule', 'cron(0 8 * * *)', 'cron has six fields'],
      ['Time zone', 'Mars/Base', 'one of the tz database'],
      ['Maximum tasks', '1', 'not less than the minimum'],
    ],
    send: 'Create',
    disabled: true,
  },
  {
    path: 'networks/groups',
    heading: 'Networks',
    link: /^sg-/,
    fields: [
      ['Port (TCP)', '65536', '65536 is outside 1 to 65535'],
      ['Source', 'everybody', 'Source: a range such as'],
    ],
    send: 'Open',
  },
  { path: 'clusters/default/tags', heading: 'default', before: ['Manage tags', 'Add tag'], fields: [['Key of tag 1', 'AWS:x', 'The prefix aws: is reserved']], send: 'Save', disabled: true },
]

async function badInput() {
  for (const form of forms) {
    await go(form.path, form.heading)
    if (form.ready) await page.getByText(form.ready).waitFor()
    if (form.link) await page.getByRole('link', { name: form.link }).first().click()
    for (const name of form.before ?? []) await page.getByRole('button', { name, exact: typeof name === 'string' }).first().click()
    for (const name of form.radios ?? []) await page.getByRole('radio', { name }).check({ force: true })
    const inside = (await page.getByRole('dialog').count()) > 0 ? page.getByRole('dialog') : page
    for (const [label, value, message] of form.fields) {
      await inside.getByLabel(label, { exact: true }).first().fill(value)
      if (message) await inside.getByText(message).first().waitFor()
    }
    const before = sent.length
    const button = inside.getByRole('button', { name: form.send, exact: true })
    if (form.disabled) assert.ok(await button.isDisabled(), `${form.path}: ${form.send} can be pressed`)
    else await button.click()
    if (form.says) await page.getByText(form.says).first().waitFor()
    assert.deepEqual(sent.slice(before), [], `${form.path} was sent`)
  }
  // The JSON editor: each text with what is said of it.
  await go('task-definitions/create?from=web', 'Create new revision')
  const editor = page.getByLabel('Task definition as JSON')
  await until('the JSON', async () => (await editor.inputValue()).includes('containerDefinitions'))
  for (const [text, message] of [
    ['{"family": 1', 'No JSON'],
    ['{"family": "web", "containerDefinition": []}', 'there is no such member'],
    ['{"family": "web", "containerDefinitions": [{"name": "a", "image": "b", "memory": "64"}]}', 'memory: a whole number'],
  ]) {
    await editor.fill(text)
    await page.getByText(message).first().waitFor()
    assert.ok(await page.getByRole('button', { name: 'Create', exact: true }).isDisabled())
  }
  said('bad-input')
}

/** The last call of the wizard fails: what it made before is gone again, and the message says why. */
async function nothingHalfMade() {
  await go('clusters/default/services/create?taskDefinition=inside', 'Create service')
  await page.getByText('No inbound rule opens port 80').waitFor()
  await page.getByRole('button', { name: 'Open them in a new group' }).click()
  await page.getByLabel('Service name').fill('web') // there is one, of another task definition
  await page.getByLabel('Security group name').fill('half-made')
  await page.getByRole('radio', { name: 'Create a new load balancer' }).check({ force: true })
  await page.getByLabel('Load balancer name').fill('half-made')
  await page.getByLabel('Listener port').fill('18099')
  await page.getByRole('button', { name: 'Create', exact: true }).click()
  await page.getByText('Creation of service was not idempotent').first().waitFor()
  assert.ok(sent.includes('CreateLoadBalancer') && sent.includes('CreateSecurityGroup'), sent.join())
  for (const [path, heading] of [['load-balancers', 'Load balancers'], ['networks/groups', 'Networks']]) {
    await go(path, heading)
    await settled()
    assert.equal(await page.getByText('half-made').count(), 0, `${path} has something half-made`)
  }
  said('nothing-half-made')
}

// ---- the keyboard alone ----

const focused = () => page.evaluate(() => document.activeElement && document.activeElement.outerHTML.slice(0, 200))

/** Presses Tab until `target` has the focus. */
async function tabTo(target, what) {
  for (let i = 0; i < 150; i++) {
    if (await target.evaluate(element => element === document.activeElement).catch(() => false)) return
    await page.keyboard.press('Tab')
  }
  throw new Error(`Tab does not get to ${what}; it is at ${await focused()}`)
}

const press = async (role, name) => {
  const exact = typeof name === 'string'
  await tabTo(page.getByRole(role, { name, exact }).last(), name)
  await page.keyboard.press(role === 'link' ? 'Enter' : 'Space')
}
const type = async (label, text) => {
  await tabTo(page.getByLabel(label, { exact: true }).first(), label)
  await page.keyboard.press('Control+A')
  await page.keyboard.type(text)
}

async function keyboard() {
  await go('clusters', 'Clusters')
  await page.keyboard.press('Tab')
  assert.match(await focused(), /Skip to the content/)
  await page.keyboard.press('Enter')
  await page.keyboard.press('Tab')
  assert.ok(await page.evaluate(() => document.getElementById('content').contains(document.activeElement)), 'the skip link leads to the content')
  // A task definition, step by step.
  await page.goto(`${root}task-definitions`)
  await page.getByRole('table').getByRole('link').first().waitFor()
  await press('button', 'Create new task definition')
  await page.getByLabel('Task definition family').waitFor()
  await type('Task definition family', 'keys')
  await type('Image URI', 'nginx')
  await press('button', 'Next')
  await page.getByText('Infrastructure requirements').waitFor()
  await press('button', 'Next')
  await page.getByRole('heading', { name: 'Storage', exact: true }).waitFor()
  await press('button', 'Next')
  await page.getByRole('button', { name: 'Create', exact: true }).waitFor()
  await press('button', 'Create')
  await page.getByRole('heading', { name: 'keys:1', level: 1 }).first().waitFor()
  await until('the focus to be on the heading', () => page.evaluate(() => document.activeElement?.textContent === 'keys:1'))
  assert.ok(await page.getByRole('status').filter({ hasText: 'keys:1 is registered' }).count(), 'the message is announced')
  // A service of it: a list is opened with Enter, chosen from with the arrows, left with Tab.
  await page.goto(`${root}clusters/default/services`)
  await page.getByRole('table', { name: 'Services' }).getByRole('link').first().waitFor()
  await press('button', 'Create')
  await page.getByRole('heading', { name: 'Create service', level: 1 }).first().waitFor()
  await tabTo(page.getByRole('button', { name: /^Task definition family/ }), 'the families')
  await page.keyboard.press('Enter')
  await page.getByRole('option', { name: 'keys' }).first().waitFor()
  await page.keyboard.type('keys')
  await page.keyboard.press('ArrowDown')
  await page.keyboard.press('Enter')
  await until('the family', async () => /keys/.test((await page.getByRole('button', { name: /^Task definition family/ }).textContent()) ?? ''))
  await type('Service name', 'keys')
  await type('Desired tasks', '0')
  await press('button', 'Create')
  await page.getByRole('heading', { name: 'keys', level: 1 }).first().waitFor()
  // Tabs move with the arrows; a dialog keeps the focus and gives it back.
  await tabTo(page.getByRole('tab', { name: 'Health and metrics' }), 'the tabs')
  await page.keyboard.press('ArrowRight')
  await page.keyboard.press('Space')
  await page.getByRole('table', { name: 'Tasks' }).waitFor()
  await tabTo(page.getByRole('button', { name: 'Delete', exact: true }), 'Delete').catch(async () => {
    await page.keyboard.press('Home')
    await tabTo(page.getByRole('button', { name: 'Delete', exact: true }), 'Delete')
  })
  await page.keyboard.press('Enter')
  await page.getByRole('dialog').waitFor()
  for (let i = 0; i < 6; i++) {
    await page.keyboard.press('Tab')
    assert.ok(await page.evaluate(() => document.querySelector('[role=dialog]').contains(document.activeElement)), 'the dialog keeps the focus')
  }
  assert.equal(await page.evaluate(() => document.body.dataset['awsuiFocusVisible']), 'true', 'the focus is visible')
  await tabTo(page.getByRole('dialog').getByRole('button', { name: 'Delete', exact: true }), 'Delete in the dialog')
  await page.keyboard.press('Enter')
  await page.getByText('Service keys is being deleted').first().waitFor()
  said('keyboard')
}

// ---- what can go wrong outside of the page ----

/** A link that was used, keys that nobody knows, keys that may not look. */
async function signIn() {
  const context = await browser.newContext({ viewport: { width: 1400, height: 1000 } })
  const other = await context.newPage()
  await other.goto(`${root}#code=${'0'.repeat(32)}`)
  await other.getByText('gantry console` prints a new one').waitFor()
  assert.deepEqual(await violations(other), [], 'accessibility of the way in')
  const enter = async (id, secret) => {
    await other.getByLabel('Access key ID').fill(id)
    await other.getByLabel('Secret access key').fill(secret)
    await other.getByRole('button', { name: 'Sign in' }).click()
  }
  await enter('AKIANOBODYKNOWSTHEM0', 'x'.repeat(40))
  await other.getByText('security token included in the request is invalid').waitFor()
  if (process.env.AGENT_KEY) {
    await enter(process.env.AGENT_KEY, process.env.AGENT_SECRET)
    await other.getByText('do not allow this').first().waitFor()
    await other.getByRole('button', { name: 'us-east-1' }).click()
    await other.getByRole('menuitem', { name: 'Sign out' }).click()
    await other.getByRole('heading', { name: 'Sign in to Gantry' }).waitFor()
  }
  await context.close()
  said('sign-in')
}

/** Whoever runs this stops the server when he is told to, starts it again, and makes a service "later". */
async function away() {
  await go('clusters/default/services', 'default')
  await page.getByRole('link', { name: 'web', exact: true }).waitFor()
  said('stop-the-server')
  await page.getByText('The server does not answer. What you see').first().waitFor()
  assert.ok(await page.getByRole('link', { name: 'web', exact: true }).isVisible(), 'what was there is still shown')
  said('start-the-server')
  await page.getByText('The server does not answer. What you see').first().waitFor({ state: 'hidden' })
  await page.getByRole('link', { name: 'later', exact: true }).waitFor()
  assert.equal(await page.getByText('The server does not answer', { exact: true }).count(), 0)
  said('away')
}

const parts = { accessible, badInput, nothingHalfMade, keyboard, signIn, away }
await follow(opened, async () => {
  for (const name of process.env.PARTS?.split(',') ?? Object.keys(parts)) await parts[name]()
})
