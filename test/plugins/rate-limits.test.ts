import t from 'tap'
import rateLimits from '../../plugins/rate-limits.ts'
import type { AdmissionRequest, AdmissionStore } from '../../plugins/context.ts'
import { ApiError } from '../../errors.ts'
import { memoryAdmissionStore } from '../../plugins/support/memory.ts'
import { bareApp, leavePrincipal, NOW_MS, principal, route } from '../helper/bare.ts'

function away (): AdmissionStore {
  const fail = async (): Promise<never> => { throw new Error('away') }
  return { admit: fail, readWindow: fail, readEpoch: fail, bumpEpoch: fail }
}

t.test('an answer that an earlier layer refused shows the windows and spends nothing', async (t) => {
  const store = memoryAdmissionStore({ now: () => NOW_MS })
  for (const one of [store, away()]) {
    const epoch = await store.readEpoch('key_1')
    const app = await bareApp()
    leavePrincipal(app, principal({ epoch }))
    app.addHook('preParsing', async (request) => { if (request.headers['x-bad'] !== undefined) throw new ApiError('signature_invalid') })
    await app.register(rateLimits, { store: one })
    route(app)
    for (let count = 0; count < 3; count++) {
      const refused = await app.inject({ url: '/thing', headers: { 'x-bad': '1' } })
      t.equal(refused.statusCode, 403)
      t.equal(refused.headers['x-ratelimit-limit'], '60')
      t.equal(refused.headers['x-ratelimit-remaining'], '60')
      t.match(refused.headers['x-ratelimit-reset'], /^\d+$/)
    }
  }
})

t.test('an admitted request and one over the limit ask the store once, one that an earlier layer refused once as well', async (t) => {
  const store = memoryAdmissionStore({ now: () => NOW_MS })
  const asked: string[] = []
  const counting: AdmissionStore = {
    admit: async (request) => { asked.push('admit'); return await store.admit(request) },
    readWindow: async (key) => { asked.push('readWindow'); return await store.readWindow(key) },
    readEpoch: async (keyId) => { asked.push('readEpoch'); return await store.readEpoch(keyId) },
    bumpEpoch: async (keyId) => { asked.push('bumpEpoch'); await store.bumpEpoch(keyId) }
  }
  const app = await bareApp()
  leavePrincipal(app, principal({ epoch: await store.readEpoch('key_1'), perMinute: 1 }))
  app.addHook('preParsing', async (request) => { if (request.headers['x-bad'] !== undefined) throw new ApiError('signature_invalid') })
  await app.register(rateLimits, { store: counting })
  route(app)
  for (const [headers, status, calls] of [[{}, 200, ['admit']], [{}, 429, ['admit']], [{ 'x-bad': '1' }, 403, ['readWindow']]] as const) {
    asked.length = 0
    const answer = await app.inject({ url: '/thing', headers })
    t.equal(answer.statusCode, status)
    t.equal(answer.headers['x-ratelimit-limit'], '1')
    t.same(asked, calls)
  }
})

t.test('admits sixty requests a minute and refuses the sixty-first with the exact wait', async (t) => {
  let now = NOW_MS
  const store = memoryAdmissionStore({ now: () => now })
  const epoch = await store.readEpoch('key_1')
  const app = await bareApp()
  leavePrincipal(app, principal({ epoch }))
  await app.register(rateLimits, { store })
  const seen = route(app)
  for (let count = 1; count <= 60; count++) {
    const answer = await app.inject('/thing')
    t.equal(answer.headers['x-ratelimit-remaining'], String(60 - count))
    now += 100
  }
  const refused = await app.inject('/thing')
  t.equal(refused.statusCode, 429)
  t.match(refused.json(), { error: 'Rate limit exceeded', code: 'rate_limited', detail: /minute/ })
  t.equal(refused.headers['retry-after'], '54')
  t.equal(refused.headers['x-ratelimit-limit'], '60')
  t.match(refused.headers['ratelimit-policy'], /"minute";q=60;w=60/)
  t.equal(seen.calls, 60)
  now = NOW_MS + 60_000
  t.equal((await app.inject('/thing')).statusCode, 200, 'one request is admitted when the wait is over')
  t.equal((await app.inject('/thing')).statusCode, 429, 'and no more than one')
})

t.test('judges again with a fresh record when the epoch is stale, and spends nothing before', async (t) => {
  const asked: string[] = []
  const app = await bareApp()
  leavePrincipal(app, principal({ epoch: 'old' }))
  app.addHook('onRequest', async (request) => {
    request.reloadPrincipal = async (epoch) => {
      request.principal = principal({ epoch })
      return request.principal
    }
  })
  app.principalJudges.push(() => { throw new ApiError('ip_not_allowed') })
  await app.register(rateLimits, {
    store: {
      ...away(),
      admit: async (request: AdmissionRequest) => {
        asked.push(request.epoch)
        return { outcome: 'stale', epoch: 'new' }
      },
      readEpoch: async () => 'new',
      bumpEpoch: async () => {}
    }
  })
  const seen = route(app)
  t.equal((await app.inject('/thing')).json().code, 'ip_not_allowed')
  t.same(asked, ['old'])
  t.equal(seen.calls, 0)
})

t.test('while the store is away a cached record is read again, and the request says that it was judged in process', async (t) => {
  const app = await bareApp()
  leavePrincipal(app, principal({ epoch: 'e1' }))
  const reloads: string[] = []
  app.addHook('onRequest', async (request) => {
    request.reloadPrincipal = async (epoch) => {
      reloads.push(epoch)
      request.principal = principal({ epoch })
      return request.principal
    }
  })
  await app.register(rateLimits, { store: away() })
  let degraded: boolean | null = null
  app.get('/thing', { config: { access: 'key', scope: 'governance:read' } }, async (request) => { degraded = request.degraded })
  t.equal((await app.inject('/thing')).statusCode, 200)
  t.same(reloads, [''])
  t.equal(degraded, true)
})

t.test('admits an exact share in process while the store is away, never an unlimited number', async (t) => {
  const app = await bareApp()
  leavePrincipal(app, principal({ epoch: '' }))
  await app.register(rateLimits, { store: away(), instances: 4 })
  const seen = route(app)
  const statuses = await Promise.all(Array.from({ length: 40 }, async () => (await app.inject('/thing')).statusCode))
  t.equal(statuses.filter((status) => status === 200).length, 15)
  t.equal(statuses.filter((status) => status === 429).length, 25)
  t.equal(seen.calls, 15)
})

t.test('a store that comes and goes hands out no window twice: what was admitted before counts while it is away, and what was admitted meanwhile counts when it is back', async (t) => {
  const inner = memoryAdmissionStore()
  const epoch = await inner.readEpoch('key_1')
  let isAway = false
  const store: AdmissionStore = { ...inner, admit: async (request) => isAway ? await away().admit(request) : await inner.admit(request) }
  const app = await bareApp()
  leavePrincipal(app, principal({ epoch }))
  app.addHook('onRequest', async (request) => { request.reloadPrincipal = async () => principal({ epoch }) })
  await app.register(rateLimits, { store })
  route(app)
  const admitted = async (times: number): Promise<number> => {
    const statuses = await Promise.all(Array.from({ length: times }, async () => (await app.inject('/thing')).statusCode))
    return statuses.filter((status) => status === 200).length
  }
  t.equal(await admitted(20), 20)
  isAway = true
  t.equal(await admitted(15), 15)
  isAway = false
  t.equal(await admitted(15), 15)
  isAway = true
  t.equal(await admitted(20), 10)
  isAway = false
  t.equal(await admitted(20), 0)
})

t.test('a wait that ends within a second is told as the whole second: earlier nobody would be admitted', async (t) => {
  let now = NOW_MS
  const store = memoryAdmissionStore({ now: () => now })
  const app = await bareApp()
  leavePrincipal(app, principal({ epoch: await store.readEpoch('key_1'), perMinute: 1 }))
  await app.register(rateLimits, { store })
  route(app)
  t.equal((await app.inject('/thing')).statusCode, 200)
  for (const [laterMs, seconds] of [[1, '60'], [999, '60'], [1000, '59'], [1500, '59'], [59_001, '1'], [59_999, '1']] as const) {
    now = NOW_MS + laterMs
    const refused = await app.inject('/thing')
    t.equal(refused.statusCode, 429)
    t.equal(refused.headers['retry-after'], seconds, `${laterMs} ms after the one that was admitted`)
  }
  now = NOW_MS + 60_000
  t.equal((await app.inject('/thing')).statusCode, 200)
})
