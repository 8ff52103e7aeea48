// Puts a gzip file beside each built file that gains by it: the server hands it out as it is.
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { gzipSync } from 'node:zlib'

const root = process.env.CONSOLE_OUT ?? 'dist'
const LIMIT = 900_000
let total = 0

function walk(folder) {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name)
    if (statSync(path).isDirectory()) walk(path)
    else if (/\.(js|css|html|svg|json)$/.test(name)) compress(path)
    else if (!name.endsWith('.gz')) total += statSync(path).size
  }
}

function compress(path) {
  const packed = gzipSync(readFileSync(path), { level: 9 })
  writeFileSync(`${path}.gz`, packed)
  total += packed.length
}

walk(root)
console.log(`console: ${Math.round(total / 1000)} kB compressed in ${relative(process.cwd(), root)}`)
if (total > LIMIT) {
  console.error(`console: more than ${LIMIT / 1000} kB: find what grew (npx vite-bundle-visualizer shows it)`)
  process.exit(1)
}
