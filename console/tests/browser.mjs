// What the console's tests share: a browser, a page that is signed in, patience, pictures, the accessibility check.
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { chromium } from 'playwright-core'

const require = createRequire(import.meta.url)
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8')

export const patience = Number(process.env.GANTRY_PATIENCE ?? 1)

/** A page that has followed the sign-in link. `close` ends the browser. */
export async function open(link) {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
  })
  const context = await browser.newContext({ viewport: { width: 1400, height: 1000 }, reducedMotion: 'reduce' })
  context.setDefaultTimeout(20_000 * patience)
  const page = await context.newPage()
  const errors = []
  page.on('pageerror', error => errors.push(`${error}`))
  page.on('console', message => {
    // A refused load shows as an error of the page: the content security policy has to fit what the application does.
    if (message.type() === 'error' && /Content Security Policy/.test(message.text())) errors.push(message.text())
  })
  await page.goto(link)
  await page.getByRole('heading', { name: /^Clusters/ }).first().waitFor()
  return { browser, context, page, errors, close: () => browser.close() }
}

/** Says to whoever runs the script (tests/e2e/browser.py) how far it is. */
export function said(name, value = '') {
  console.log(`step: ${name} ${value}`)
}

/** Takes the steps and ends the browser. What goes wrong is told with a picture of the page, FAILED_PICTURE. */
export async function follow({ page, errors, close }, steps) {
  try {
    await steps()
    assert.deepEqual(errors, [], 'errors in the page')
    said('done')
  } catch (error) {
    await page.screenshot({ path: process.env.FAILED_PICTURE ?? 'failed.png' })
    console.error(`at ${page.url()}`)
    console.error(error)
    process.exitCode = 1
  } finally {
    await close()
  }
}

/** Takes a picture anew that the folder CONSOLE_PICTURES has already (make pictures). */
export async function picture(page, name) {
  const path = join(process.env.CONSOLE_PICTURES ?? '', `${name}.png`)
  if (process.env.CONSOLE_PICTURES && existsSync(path)) await page.screenshot({ path })
}

/** Serious and critical violations of the page as it is now, as text. */
export async function violations(page) {
  // evaluate() works around the page's own policy: nothing of the page itself is loosened for the check.
  await page.evaluate(axe)
  const found = await page.evaluate(async () => (await window.axe.run(document, { resultTypes: ['violations'] })).violations)
  return found
    .filter(v => v.impact === 'serious' || v.impact === 'critical')
    .map(v => `${page.url().replace(/^.*\/console/, '')}: ${v.id}: ${v.nodes.map(n => n.target.join(' ')).slice(0, 3).join(', ')}`)
}

/** Waits until `check` returns something true. */
export async function until(what, check, ms = 20_000) {
  const end = Date.now() + ms * patience
  for (;;) {
    const value = await check()
    if (value) return value
    if (Date.now() > end) throw new Error(`waited ${ms} ms for ${what}`)
    await new Promise(done => setTimeout(done, 50))
  }
}

/** The option of a select, by the field's label. */
export async function choose(page, label, option) {
  await page.getByRole('button', { name: new RegExp(`^${label}`) }).click()
  await page.getByRole('option', { name: option }).first().click()
}
