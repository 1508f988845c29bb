import { spawn } from 'node:child_process'
import { join } from 'node:path'

const DEADLINE_MS = 200_000
const DETAIL_CHARS = 300

/** `failed`: an assertion did not hold. A process that hangs or cannot load its modules is `broken`. */
export interface TestOutcome { readonly kind: 'passed' | 'failed' | 'skipped' | 'broken', readonly detail: string }

/** On the embedded stores alone, which is quicker and mostly enough; or also on servers, where they answer. */
export type Stores = 'embedded' | 'servers'

const NOBODY = { TEST_DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none', TEST_REDIS_URL: 'redis://127.0.0.1:1' }

export async function runTest (folder: string, test: string, stores: Stores): Promise<TestOutcome> {
  const child = spawn(process.execPath, ['--enable-source-maps', join('build', test.replace(/\.ts$/, '.js'))], { cwd: folder, env: { ...process.env, ...stores === 'embedded' ? NOBODY : {}, TAP_TIMEOUT: String(DEADLINE_MS / 1000) }, stdio: ['ignore', 'pipe', 'pipe'] })
  let text = ''
  child.stdout.on('data', (chunk: Buffer) => { text += chunk.toString() })
  child.stderr.on('data', (chunk: Buffer) => { text += chunk.toString() })
  const late = setTimeout(() => child.kill('SIGKILL'), DEADLINE_MS)
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  clearTimeout(late)
  return outcomeOf(code, text)
}

// What a test process said, in TAP.
export function outcomeOf (code: number | null, text: string): TestOutcome {
  const failed = text.split('\n').filter((line) => /^\s*not ok /.test(line) && !/# (?:SKIP|TODO)/i.test(line))
  const assertions = failed.filter((line) => !/timeout!|no plan|test unfinished/i.test(line))
  if (code === 0) return /# SKIP/i.test(text) ? { kind: 'skipped', detail: 'some of it was skipped' } : { kind: 'passed', detail: '' }
  if (assertions.length > 0) return { kind: 'failed', detail: (assertions[0] ?? '').trim().slice(0, DETAIL_CHARS) }
  return { kind: 'broken', detail: text.slice(-DETAIL_CHARS) }
}
