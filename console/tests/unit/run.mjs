// Runs the unit tests: each *.test.ts here is put together with what it tests, for Node's own test runner.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const here = fileURLToPath(new URL('.', import.meta.url))
const names = readdirSync(here).filter(name => name.endsWith('.test.ts'))
const out = mkdtempSync(join(tmpdir(), 'gantry-console-'))
let status = 1
try {
  await build({
    entryPoints: names.map(name => join(here, name)),
    bundle: true,
    platform: 'node',
    format: 'cjs',
    outdir: out,
    outExtension: { '.js': '.cjs' },
    // What only pages in a browser have.
    banner: { js: "globalThis.sessionStorage = { getItem: () => null }; globalThis.window = { location: { origin: 'http://127.0.0.1' } };" },
    logLevel: 'error',
  })
  status = spawnSync(process.execPath, ['--test', ...names.map(name => join(out, name.replace(/\.ts$/, '.cjs')))], { stdio: 'inherit' }).status ?? 1
} finally {
  rmSync(out, { recursive: true, force: true })
}
process.exit(status)
