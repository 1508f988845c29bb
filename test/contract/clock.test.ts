import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { buildOps } from '../../bin/ops.ts'
import { NOTHING_KILLED } from '../../plugins/lib/kill-state.ts'
import { createMetrics } from '../../plugins/support/metrics.ts'
import { ended, front, onEachStore, P, submit } from '../helper/fronts.ts'
import { spawnServer, type ServerProcess } from '../helper/process.ts'
import { call, newCaller, real, send, start, type Answer, type Caller } from '../helper/service.ts'

// docs/operations.md, "Clock stepped": the process's clock against those of its stores and of its partners.
const LIBRARIES = ['/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1', '/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1', '/usr/lib/faketime/libfaketime.so.1']
const library = LIBRARIES.find((path) => existsSync(path))
const TOKEN_SECONDS = 900

const policies = async (url: string, caller: Caller): Promise<Answer> => await call(url, caller, 'GET', '/governance/policies')
const fetchResults = async (url: string, token: string): Promise<Answer> => await send(url, 'GET', `${P}/results/${token}`)

t.test('Clock stepped: an instance whose clock differs from the database by more than 30 s is not ready, whichever way', async (t) => {
  let skewMs = 0
  const ops = buildOps({ metrics: createMetrics(), databaseClock: async () => Date.now() + skewMs, windowsStore: async () => 'in memory', isDraining: () => false, killState: () => NOTHING_KILLED })
  t.teardown(() => ops.close())
  for (const [ms, status] of [[0, 200], [29_000, 200], [-29_000, 200], [31_000, 503], [-31_000, 503]] as const) {
    skewMs = ms
    t.equal((await ops.inject('/readyz')).statusCode, status, `${ms} ms`)
  }
})

await onEachStore(t, 'Clock stepped, by the clock that is passed in', async (t, stores) => {
  const { runtime } = await start(stores)
  t.teardown(() => runtime.close())
  let stepSeconds = 0
  const url = await front(t, runtime, {}, { now: () => Date.now() + stepSeconds * 1000 })
  await judgeSteps(t, url, { step: (seconds) => { stepSeconds = seconds }, runtime })
})

const servers = await real()
t.teardown(async () => { await servers?.drop() })
const skip = library === undefined ? 'libfaketime is not installed' : servers === null ? 'no PostgreSQL and Redis answered (TEST_DATABASE_URL, TEST_REDIS_URL)' : false
t.test('Clock stepped, under a running process', { skip, timeout: 90_000 }, async (t) => {
  if (servers === null || library === undefined) return
  const file = join(servers.env['DATA_DIR'] ?? '', 'faketime')
  const step = (seconds: number): void => writeFileSync(file, `${seconds < 0 ? '' : '+'}${seconds}s\n`)
  step(0)
  const { runtime } = await start(servers, { RUN_WORKER: 'false' })
  t.teardown(() => runtime.close())
  const server: ServerProcess = await spawnServer({ ...servers.env, LD_PRELOAD: library, FAKETIME_TIMESTAMP_FILE: file, FAKETIME_NO_CACHE: '1', FAKETIME_DONT_FAKE_MONOTONIC: '1' })
  t.teardown(() => server.stop())
  const readiness = async (): Promise<{ status: number, text: string }> => {
    const answer = await fetch(`${server.opsUrl}/readyz`)
    return { status: answer.status, text: await answer.text() }
  }
  t.equal((await readiness()).status, 200)
  for (const seconds of [40, -40]) {
    step(seconds)
    t.match(await readiness(), { status: 503, text: /clock differs from the database's by \d+ ms/ })
  }
  step(0)
  await judgeSteps(t, server.url, { step, runtime })
  t.equal((await readiness()).status, 200)
})

async function judgeSteps (t: Test, url: string, { step, runtime }: { step: (seconds: number) => void, runtime: Parameters<typeof ended>[0] }): Promise<void> {
  const caller = await newCaller(runtime, { rpm: 20 })
  const passing = await newCaller(runtime, { expires: new Date(Date.now() + 3_600_000).toISOString() })
  const { id, token } = await submit(url, caller)
  await ended(runtime, id)

  // Ten seconds short of the border, for a machine that is busy.
  for (const seconds of [290, -290]) {
    step(seconds)
    t.equal((await policies(url, caller)).status, 200, `a partner's signature is good at ${seconds} s`)
  }
  for (const seconds of [310, -310, 86_400, -86_400]) {
    step(seconds)
    const answer = await policies(url, caller)
    t.match(answer, { status: 403, body: { code: 'signature_invalid' } }, `and refused at ${seconds} s, not as an unknown key`)
    t.ok(answer.headers.has('date'), 'with the server\'s time')
  }

  step(-86_400)
  t.equal((await policies(url, passing)).body.code, 'signature_invalid', 'a clock that went back lets no key live longer than its signature')
  step(7200)
  t.match(await policies(url, passing), { status: 401, body: { code: 'invalid_api_key' } }, 'a key has expired for a clock that is past its end')
  step(TOKEN_SECONDS + 60)
  t.match(await fetchResults(url, token), { status: 401, body: { code: 'result_token_invalid' } })

  step(0)
  t.equal((await policies(url, passing)).status, 200)
  t.equal((await fetchResults(url, token)).status, 200, 'nothing was spent by a clock that was wrong')
  t.equal((await fetchResults(url, token)).status, 410)
  // The windows have a clock of their own: no step opened or emptied one.
  t.equal((await policies(url, caller)).headers.get('x-ratelimit-remaining'), '16', 'four of twenty are spent: what a wrong clock refused is not')
}
