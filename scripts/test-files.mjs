// Runs each file that it is given in a process of its own, two at a time, and reports all of them as one TAP stream; test.mjs starts it.
// Not with `tap run`: its loaders, for mocks and coverage that nothing here uses, make each process of a test start three times as slowly, and
// every process of the service that a test starts inherits them.
import t from 'tap'

const JOBS = 2
/** One minute of this file is a client that waits for its window: it runs beside the others. */
const WAITS = 'build/test/contract/published-client.test.js'
const FILE_SECONDS_MAX = 180

const files = process.argv.slice(2)
t.jobs = files.includes(WAITS) ? JOBS + 1 : JOBS
t.setTimeout(0)
const env = { ...process.env, TAP_TIMEOUT: String(FILE_SECONDS_MAX) }
for (const file of files) {
  // Through `env`, because the library too would add a loader to NODE_OPTIONS.
  const command = [`NODE_OPTIONS=${process.env.NODE_OPTIONS ?? ''}`, process.execPath, '--enable-source-maps', file]
  const ended = t.spawn('env', command, { env, buffered: true, timeout: FILE_SECONDS_MAX * 1000 }, file)
  if (file === WAITS) ended.then(() => { t.jobs = JOBS })
}
