import { spawn } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { adminSocketPath, offerAdminSocket } from '../../bin/admin-socket.ts'
import { insertAnomaly } from '../../db/queries/anomalies.ts'
import { tellOfExpiries } from '../../evaluation/expiry-notices.ts'
import { DEFAULT_THRESHOLDS } from '../../plugins/lib/anomaly/thresholds.ts'
import { onEachStore } from '../helper/fronts.ts'
import { fbHost } from '../helper/process.ts'
import { call, newCaller, start, type Caller } from '../helper/service.ts'

const FB = fileURLToPath(new URL('../../bin/fb.js', import.meta.url))
const DAY_MS = 86_400_000

function anomalyOf ({ orgId, keyId }: Caller, atMs: number, label: string): Parameters<typeof insertAnomaly>[1] {
  return { signal: 'canary_used', severity: 'critical', isCertain: true, orgId, keyId, atMs, numbers: { count: 1 }, threshold: DEFAULT_THRESHOLDS.canary_used, watermarks: ['wm_of_the_request'], ip: '192.0.2.1', userAgent: null, label }
}

await onEachStore(t, 'an operator who follows', async (t, stores) => {
  const { runtime, url } = await start(stores)
  t.teardown(() => runtime.close())
  if (runtime.database.kind === 'pglite') {
    const socket = await offerAdminSocket(runtime, adminSocketPath(runtime.config.dataFolder))
    t.teardown(() => socket.close())
  }
  const host = fbHost()
  t.teardown(() => host.close())
  const raise = async (caller: Caller, atMs: number, label: string): Promise<void> => {
    await runtime.database.db.transaction((tx) => insertAnomaly(tx, anomalyOf(caller, atMs, label)))
  }

  await t.test('sees what is noticed as it is noticed, and the command ends when nobody reads any more', async (t) => {
    const follower = spawn(process.execPath, [FB, 'anomalies', '--follow', '--json'], { env: { PATH: process.env['PATH'] ?? '', ...stores.env }, stdio: ['ignore', 'pipe', 'ignore'] })
    t.teardown(() => { follower.kill('SIGKILL') })
    const ended = new Promise((resolve) => follower.once('exit', resolve))
    const line = new Promise<string>((resolve) => createInterface(follower.stdout).once('line', resolve))
    const caller = await newCaller(runtime)
    for (let n = 0; n < 12; n++) t.equal((await call(url, caller, 'GET', '/webhooks')).status, 403)
    t.match(JSON.parse(await line), { signal: 'scope_probing', key_id: caller.keyId, severity: 'medium', certain: false, action: 'none' })
    follower.stdout.destroy()
    await raise(caller, Date.now(), 'nobody reads it')
    t.equal(await ended, 0)
  })

  await t.test('reads it in words, oldest first and once, from the time and of the organization that were asked for', async (t) => {
    const sinceMs = Date.now() - DAY_MS
    const expires = new Date(Date.now() + 5 * DAY_MS).toISOString()
    const [mine, other] = [await newCaller(runtime, { expires }), await newCaller(runtime, { expires })]
    const notice = async (atMs: number): Promise<void> => await tellOfExpiries(runtime.database, { warn () {} }, atMs)
    await raise(mine, sinceMs - 3000, 'long ago')
    const since = new Date(sinceMs).toISOString()
    const followed = host.follow(['anomalies', '--follow', '--org', mine.orgId, '--since', since], stores.env)
    await followed.until((text) => text.includes('following'))
    await raise(mine, sinceMs + 120_000, 'a wiki')
    await raise(other, sinceMs + 120_000, 'of another organization')
    await followed.until((text) => text.includes('a wiki'))
    await notice(Date.now())
    await raise(mine, Date.now(), 'a laptop')
    await followed.until((text) => text.includes('a laptop') && text.includes('key_expires_soon'))
    const ended = await followed.interrupt()
    t.equal(ended.status, 0)
    const told = ended.stdout.split('\n')
    t.equal(told.filter((line) => /^\d{4}-/.test(line)).length, 3, ended.stdout)
    t.match(told[0], new RegExp(`^\\S+Z  critical  canary_used +${mine.keyId}  from 192\\.0\\.2\\.1  count 1  planted: a wiki$`))
    t.equal(told[1], '  wm_of_the_request')
    t.match(ended.stdout, new RegExp(`  notice    key_expires_soon +${mine.keyId}  fb_live_.{4} expires ${expires.replaceAll('.', '\\.')}, told 7 days before\n`))

    const before = host.follow(['anomalies', '--follow', '--org', mine.orgId], stores.env)
    const past = await before.until((text) => text.includes('a laptop') && text.includes('key_expires_soon'))
    const places = ['long ago', 'a wiki', 'a laptop'].map((text) => past.indexOf(text))
    t.same(places, [...places].sort((one, two) => one - two))
    t.ok(places[0] !== -1)
    t.equal((await before.interrupt()).status, 0)
  })

  // Of the embedded database one transaction is open at a time.
  if (runtime.database.kind === 'postgres') {
    await t.test('sees what is committed late, after what was noticed later', async (t) => {
      const [slow, quick, other] = [await newCaller(runtime), await newCaller(runtime), await newCaller(runtime)]
      const followed = host.follow(['anomalies', '--follow', '--since', new Date().toISOString()], stores.env)
      await followed.until((text) => text.includes('following'))
      const barrier = new EventEmitter()
      const isInserted = once(barrier, 'inserted')
      const late = runtime.database.db.transaction(async (tx) => {
        await insertAnomaly(tx, anomalyOf(slow, Date.now(), 'committed late'))
        const mayCommit = once(barrier, 'commit')
        barrier.emit('inserted')
        await mayCommit
      })
      await isInserted
      await raise(quick, Date.now(), 'noticed later')
      await followed.until((text) => text.includes('noticed later'))
      barrier.emit('commit')
      await late
      await followed.until((text) => text.includes('committed late'))
      await raise(other, Date.now(), 'the last')
      await followed.until((text) => text.includes('the last'))
      const { stdout } = await followed.interrupt()
      t.equal(stdout.match(/planted: /g)?.length, 3, stdout)
    })
  }
})
