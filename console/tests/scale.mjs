// The console on a cluster of many services and tasks: how soon it can be used, how smoothly it scrolls, what it takes while things
// change. Prints one JSON line. LINK, SECONDS (of churn, watched at the tasks and services pages).
import { open, until } from './browser.mjs'

const seconds = Number(process.env.SECONDS ?? 60)
const { page, context, errors, close } = await open(process.env.LINK)
const cdp = await context.newCDPSession(page)
await cdp.send('Performance.enable', { timeDomain: 'threadTicks' }) // processor time of the page's own thread
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

async function metrics() {
  const { metrics } = await cdp.send('Performance.getMetrics')
  return Object.fromEntries(metrics.map(m => [m.name, m.value]))
}

/**
 * Frames a second while the page is scrolled up and down for two seconds. A machine that is busy otherwise shows fewer than the page could:
 * whether it could is told by the processor time of the page's own thread.
 */
async function scroll() {
  const before = await metrics()
  const frames = await page.evaluate(
    () =>
      new Promise(done => {
        const times = []
        let y = 0
        let step = 40
        const frame = now => {
          times.push(now)
          y += step
          window.scrollTo(0, y)
          if (y > document.documentElement.scrollHeight - window.innerHeight || y < 0) step = -step
          if (now - times[0] < 2000) requestAnimationFrame(frame)
          else done(times)
        }
        requestAnimationFrame(frame)
      }),
  )
  const busy = (await metrics()).TaskDuration - before.TaskDuration
  const gaps = frames.slice(1).map((time, i) => time - frames[i])
  const rate = (gaps.length * 1000) / (frames.at(-1) - frames[0])
  return `${Math.round(rate)} frames/s (longest gap ${Math.round(Math.max(...gaps))} ms, own work ${Math.round((busy * 100_000) / (frames.at(-1) - frames[0]))} % of a processor)`
}

/** MB, to the kilobyte. */
async function heap() {
  await cdp.send('HeapProfiler.collectGarbage')
  return Math.round((await metrics()).JSHeapUsedSize / 1e3) / 1e3
}

await interactive('clusters/default/services', 'Services') // the browser's own caches are warm from here on
const first = {
  services_ms: await interactive('clusters/default/services', 'Services'),
  services_fps: await scroll(),
  tasks_ms: await interactive('clusters/default/tasks', 'Tasks'),
  tasks_fps: await scroll(),
}
const whole = await until('all tasks', async () => /\(\d{4,}\)/.test(await page.getByRole('heading', { name: /^Tasks/ }).first().textContent()), 60_000)
const began = Date.now()
const heaps = [] // [seconds, MB]
while (Date.now() < began + seconds * 1000) {
  await new Promise(done => setTimeout(done, Math.min(10_000, seconds * 50)))
  heaps.push([(Date.now() - began) / 1000, await heap()])
}
console.log(JSON.stringify({ ...first, whole, churn_fps: await scroll(), heap: heaps, errors }))
await close()
