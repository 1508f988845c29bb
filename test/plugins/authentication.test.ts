import t from 'tap'
import authentication from '../../plugins/authentication.ts'
import { KEY_CACHE_SECONDS, type KeyRecord } from '../../plugins/context.ts'
import { digestOf } from '../../plugins/lib/api-key.ts'
import { bareApp, KEY, NOW_MS, record, route } from '../helper/bare.ts'

const headers = { authorization: `Bearer ${KEY}` }

function storeOf (current: () => KeyRecord | null): { reads: number, findByDigest: (digest: Buffer) => Promise<KeyRecord | null> } {
  const store = {
    reads: 0,
    findByDigest: async (digest: Buffer) => {
      store.reads++
      return digest.equals(digestOf(KEY)) ? current() : null
    }
  }
  return store
}

t.test('refuses every lapsed, malformed or unknown key with one and the same answer', async (t) => {
  const states: Array<[string, KeyRecord | null, string | undefined]> = [
    ['no header', record(), undefined],
    ['another scheme', record(), 'Basic abc'],
    ['upper-case hex', record(), `Bearer ${KEY.toUpperCase()}`],
    ['too short', record(), 'Bearer fb_live_00'],
    ['two keys', record(), `Bearer ${KEY}, Bearer ${KEY}`],
    ['unknown', null, headers.authorization],
    ['revoked', record({ state: 'revoked' }), headers.authorization],
    ['suspended', record({ state: 'suspended' }), headers.authorization],
    ['inactive', record({ state: 'inactive' }), headers.authorization],
    ['expired this millisecond', record({ expiresAtMs: NOW_MS }), headers.authorization]
  ]
  for (const [name, current, authorization] of states) {
    const app = await bareApp()
    await app.register(authentication, { keys: storeOf(() => current), now: () => NOW_MS })
    const seen = route(app)
    const answer = await app.inject({ url: '/thing', headers: authorization === undefined ? {} : { authorization } })
    t.equal(answer.statusCode, 401, name)
    t.same(answer.json(), { ok: false, error: 'Invalid or expired API key', code: 'invalid_api_key' }, name)
    t.equal(answer.headers['www-authenticate'], 'Bearer', name)
    t.equal(seen.calls, 0, name)
  }
})

t.test('accepts a key one millisecond before it expires', async (t) => {
  const app = await bareApp()
  await app.register(authentication, { keys: storeOf(() => record({ expiresAtMs: NOW_MS + 1 })), now: () => NOW_MS })
  route(app)
  t.equal((await app.inject({ url: '/thing', headers })).statusCode, 200)
})

t.test('answers 503, never 401, when the key store is away', async (t) => {
  const app = await bareApp()
  await app.register(authentication, { keys: { findByDigest: async () => { throw new Error('away') } } })
  route(app)
  const answer = await app.inject({ url: '/thing', headers })
  t.equal(answer.statusCode, 503)
  t.equal(answer.json().code, 'unavailable')
  t.equal(answer.headers['retry-after'], '2')
})

t.test('takes a store that knows no record by the word undefined for one that knows none', async (t) => {
  const app = await bareApp()
  await app.register(authentication, { keys: { findByDigest: async (digest) => new Map<string, KeyRecord>().get(digest.toString('hex')) }, now: () => NOW_MS })
  const seen = route(app)
  const answer = await app.inject({ url: '/thing', headers })
  t.match({ status: answer.statusCode, code: answer.json().code }, { status: 401, code: 'invalid_api_key' })
  t.equal(seen.calls, 0)
})

t.test('reads the key store on every request while epochs cannot be read', async (t) => {
  const store = storeOf(() => record())
  const app = await bareApp()
  await app.register(authentication, { keys: store, epochs: { readEpoch: async () => { throw new Error('away') } } })
  route(app)
  await app.inject({ url: '/thing', headers })
  await app.inject({ url: '/thing', headers })
  t.equal(store.reads, 2)
})

t.test('reads a cached key no second time, and again when it is told that the record is stale', async (t) => {
  let current = record()
  const store = storeOf(() => current)
  const app = await bareApp()
  await app.register(authentication, { keys: store, epochs: { readEpoch: async () => 'e1' } })
  app.get('/reload', { config: { access: 'key', scope: 'governance:read' } }, async (request) => await request.reloadPrincipal?.('e2'))
  route(app)
  await app.inject({ url: '/thing', headers })
  const reads = store.reads
  await app.inject({ url: '/thing', headers })
  t.equal(store.reads, reads)
  current = record({ state: 'revoked' })
  t.equal((await app.inject({ url: '/reload', headers })).statusCode, 401)
})

t.test('reads a cached record again when it is as old as operators are told', async (t) => {
  let agedMs = 0
  const { now } = performance
  performance.now = () => now.call(performance) + agedMs
  t.teardown(() => { performance.now = now })
  const store = storeOf(() => record())
  const app = await bareApp()
  await app.register(authentication, { keys: store, epochs: { readEpoch: async () => 'e1' } })
  route(app)
  const reads: number[] = []
  for (const at of [0, KEY_CACHE_SECONDS * 500, KEY_CACHE_SECONDS * 1000 + 1]) {
    agedMs = at
    // The cache reads its clock once a millisecond.
    await new Promise((resolve) => setTimeout(resolve, 5))
    await app.inject({ url: '/thing', headers })
    reads.push(store.reads)
  }
  t.equal(reads[0], reads[1])
  t.ok((reads[2] ?? 0) > (reads[1] ?? 0))
})

t.test('renews a cached record only when its epoch has passed, and always while epochs cannot be read', async (t) => {
  let [current, epoch] = [record({ ipAllowlist: ['192.0.2.1'] }), 'e1']
  const store = storeOf(() => current)
  const app = await bareApp()
  await app.register(authentication, { keys: store, epochs: { readEpoch: async () => { if (epoch === '') throw new Error('away'); return epoch } } })
  app.get('/renew', { config: { access: 'key', scope: 'governance:read' } }, async (request) => ({ epoch: (await request.renewPrincipal?.())?.epoch, ranges: request.principal?.ipAllowlist }))
  const renew = async (): Promise<object> => (await app.inject({ url: '/renew', headers })).json()
  t.same(await renew(), { epoch: 'e1', ranges: ['192.0.2.1'] })
  const reads = store.reads
  current = record({ ipAllowlist: [] })
  t.same(await renew(), { epoch: 'e1', ranges: ['192.0.2.1'] })
  t.equal(store.reads, reads, 'the record at hand is the newest')
  epoch = 'e2'
  t.same(await renew(), { epoch: 'e2', ranges: [] })
  t.same(await renew(), { epoch: 'e2', ranges: [] })
  t.equal(store.reads, reads + 1, 'and is kept')
  epoch = ''
  current = record({ ipAllowlist: ['192.0.2.2'] })
  t.same(await renew(), { epoch: '', ranges: ['192.0.2.2'] })
  current = record({ state: 'revoked' })
  t.equal((await app.inject({ url: '/renew', headers })).statusCode, 401)
})

t.test('stops an address that failed too often before the store is asked', async (t) => {
  const store = storeOf(() => null)
  const app = await bareApp()
  await app.register(authentication, { keys: store, failures: { check: async () => 7, count: async () => {} } })
  route(app)
  const answer = await app.inject({ url: '/thing', headers })
  t.equal(answer.statusCode, 429)
  t.equal(answer.headers['retry-after'], '7')
  t.equal(store.reads, 0)
})

t.test('a flood of unknown keys costs a bounded number of reads a second, and neither a known key nor a new good one waits for it for ever', async (t) => {
  let nowMs = NOW_MS
  const newcomer = `fb_live_${'1'.repeat(48)}`
  const store = storeOf(() => record())
  const findByDigest = async (digest: Buffer): Promise<KeyRecord | null> => digest.equals(digestOf(newcomer)) ? record({ keyId: 'key_2' }) : await store.findByDigest(digest)
  const app = await bareApp()
  await app.register(authentication, { keys: { findByDigest }, failuresPerSecondMax: 40, now: () => nowMs })
  route(app)
  const ask = async (key: string): Promise<{ status: number, retryAfter: unknown }> => {
    const answer = await app.inject({ url: '/thing', headers: { authorization: `Bearer ${key}` } })
    return { status: answer.statusCode, retryAfter: answer.headers['retry-after'] }
  }
  t.equal((await ask(KEY)).status, 200)
  const reads = store.reads
  const statuses: number[] = []
  for (let n = 0; n < 200; n++) statuses.push((await ask(`fb_live_${String(n).padStart(48, '0')}`)).status)
  t.same([statuses.filter((status) => status === 401).length, statuses.filter((status) => status === 429).length], [10, 190])
  t.equal(store.reads - reads, 10, 'the rest of them never reached the store')
  t.equal((await ask(KEY)).status, 200, 'who has authenticated before is read in any case')
  t.same(await ask(newcomer), { status: 429, retryAfter: '1' }, 'a key that was never seen here is asked to come again')
  nowMs += 1000
  t.equal((await ask(newcomer)).status, 200, 'and is then read')
})

t.test('a cold start: more new keys at once than are read at a time wait their turn, and all get in', async (t) => {
  let underWay = 0
  let most = 0
  const findByDigest = async (digest: Buffer): Promise<KeyRecord> => {
    most = Math.max(most, ++underWay)
    await new Promise((resolve) => setTimeout(resolve, 1))
    underWay--
    return record({ keyId: `key_${digest.toString('hex', 0, 8)}` })
  }
  const app = await bareApp()
  await app.register(authentication, { keys: { findByDigest }, epochs: { readEpoch: async () => 'e1' }, now: () => NOW_MS })
  route(app)
  const answers = await Promise.all(Array.from({ length: 200 }, (_, n) => app.inject({ url: '/thing', headers: { authorization: `Bearer fb_live_${String(n).padStart(48, '0')}` } })))
  t.same([...new Set(answers.map(({ statusCode }) => statusCode))], [200])
  t.equal(most, 2, 'reads at a time')
})

t.test('many first requests of one key at once are one stranger: they share its read, and none is turned away', async (t) => {
  const store = storeOf(() => record())
  const app = await bareApp()
  await app.register(authentication, { keys: store, epochs: { readEpoch: async () => 'e1' }, now: () => NOW_MS })
  route(app)
  const answers = await Promise.all(Array.from({ length: 120 }, () => app.inject({ url: '/thing', headers })))
  t.same([...new Set(answers.map(({ statusCode }) => statusCode))], [200])
  t.equal(store.reads, 2, 'the record, and the record under its epoch')
})

t.test('without an epoch nobody shares a read that began before its own, so a revocation in between counts', async (t) => {
  let current = record()
  const started: Array<() => void> = []
  const keys = {
    findByDigest: async () => {
      const seen = current
      await new Promise<void>((resolve) => started.push(resolve))
      return seen
    }
  }
  const app = await bareApp()
  await app.register(authentication, { keys, now: () => NOW_MS })
  route(app)
  const begun = async (count: number): Promise<void> => { while (started.length < count) await new Promise(setImmediate) }
  const first = app.inject({ url: '/thing', headers })
  await begun(1)
  current = record({ state: 'revoked' })
  const late = app.inject({ url: '/thing', headers })
  await new Promise(setImmediate)
  started[0]?.()
  t.equal((await first).statusCode, 200)
  await begun(2)
  started[1]?.()
  t.equal((await late).statusCode, 401)
})

t.test('counts every refused key against its address, whatever it died of, and no good one', async (t) => {
  for (const [current, authorization, counted] of [[null, headers.authorization, 1], [record({ state: 'revoked' }), headers.authorization, 1], [record(), 'Basic abc', 1], [record(), headers.authorization, 0]] as const) {
    let failures = 0
    const app = await bareApp()
    await app.register(authentication, { keys: storeOf(() => current), failures: { check: async () => null, count: async () => { failures++ } } })
    route(app)
    await app.inject({ url: '/thing', headers: { authorization } })
    t.equal(failures, counted, `${current?.state ?? 'unknown'} by ${authorization.slice(0, 6)}`)
  }
})

t.test('a new key may come with any number of requests at once', async (t) => {
  for (const epochs of [undefined, { readEpoch: async () => 'e1' }]) {
    const store = storeOf(() => record())
    const findByDigest = async (digest: Buffer): Promise<KeyRecord | null> => {
      await new Promise((resolve) => setImmediate(resolve))
      return await store.findByDigest(digest)
    }
    const app = await bareApp()
    await app.register(authentication, { keys: { findByDigest }, ...(epochs === undefined ? {} : { epochs }) })
    route(app)
    const answers = await Promise.all(Array.from({ length: 300 }, () => app.inject({ url: '/thing', headers })))
    t.equal(answers.filter(({ statusCode }) => statusCode === 200).length, 300)
  }
})

t.test('while the key store does not answer, one new key with many requests is told so', async (t) => {
  const app = await bareApp()
  await app.register(authentication, { keys: { findByDigest: async () => { throw new Error('away') } } })
  route(app)
  const answers = await Promise.all(Array.from({ length: 100 }, () => app.inject({ url: '/thing', headers })))
  t.same([...new Set(answers.map(({ statusCode }) => statusCode))], [503])
})
