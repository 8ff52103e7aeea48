// The console on a cluster of many services and tasks: how soon it can be used, how smoothly it scrolls, what it takes while things
// change. Prints one JSON line. LINK, SECONDS (of churn, watched at the tasks and services pages).
import { open, until } from './browser.mjs'

const seconds = Number(process.env.SECONDS ?? 60)
const { page, context, errors, close } = await open(process.env.LINK)
const cdp = await context.newCDPSession(page)
await cdp.send('Performance.enable')
await cdp.send('HeapProfiler.enable')
const root = page.url().replace(/\/console\/.*/, '/console')

/** Milliseconds from the navigation until rows of the table are there and the page answers to a click. */
async function interactive(path, table) {
  const start = Date.now()
  await page.goto(`${root}/${path}`)
  await page.getByRole('table', { name: table }).getByRole('link').first().waitFor()
  await page.getByPlaceholder(/^Find/).first().click()
  return Date.now() - start
}

/** Frames a second while the page is scrolled up and down for two seconds. */
async function scroll() {
  return page.evaluate(
    () =>
      new Promise(done => {
        let frames = 0
        let y = 0
        let step = 40
        const start = performance.now()
        const frame = now => {
          frames++
          y += step
          window.scrollTo(0, y)
          if (y > document.documentElement.scrollHeight - window.innerHeight || y < 0) step = -step
          if (now - start < 2000) requestAnimationFrame(frame)
          else done((frames * 1000) / (now - start))
        }
        requestAnimationFrame(frame)
      }),
  )
}

async function heap() {
  await cdp.send('HeapProfiler.collectGarbage')
  const { metrics } = await cdp.send('Performance.getMetrics')
  return Math.round(metrics.find(m => m.name === 'JSHeapUsedSize').value / 1e6)
}

await interactive('clusters/default/services', 'Services') // the browser's own caches are warm from here on
const first = {
  services_ms: await interactive('clusters/default/services', 'Services'),
  services_fps: Math.round(await scroll()),
  tasks_ms: await interactive('clusters/default/tasks', 'Tasks'),
  tasks_fps: Math.round(await scroll()),
}
const whole = await until('all tasks', async () => /\(\d{4,}\)/.test(await page.getByRole('heading', { name: /^Tasks/ }).first().textContent()), 60_000)
const heaps = [await heap()]
const end = Date.now() + seconds * 1000
while (Date.now() < end) {
  await new Promise(done => setTimeout(done, Math.min(10_000, seconds * 250)))
  heaps.push(await heap())
}
console.log(JSON.stringify({ ...first, whole, churn_fps: Math.round(await scroll()), heap_mb: heaps, errors }))
await close()
