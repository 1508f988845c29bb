import t from 'tap'
import type { AdmissionStore, AdmissionVerdict, SingleUseStore } from '../../../plugins/context.ts'
import { memoryAdmissionStore, memorySingleUseStore } from '../../../plugins/support/memory.ts'
import { redisAdmissionStore, redisSingleUseStore } from '../../../plugins/support/redis.ts'
import { testRedis } from '../../helper/redis.ts'

const DEFAULTS = { perMinute: 60, perHour: 1000, replayId: null, replayTtlSeconds: 600 }

function windowOf (verdict: AdmissionVerdict) {
  if (verdict.outcome !== 'admitted' && verdict.outcome !== 'refused') throw new Error(`no window in ${verdict.outcome}`)
  return verdict.window
}

const server = await testRedis(t)
t.comment('stores: memory')

interface Stores { readonly admission: AdmissionStore, readonly singleUse: SingleUseStore, readonly forget: ((keyId: string) => Promise<unknown>) | null }

const adapters: Array<[string, Stores | null]> = [
  ['memory', { admission: memoryAdmissionStore(), singleUse: memorySingleUseStore(), forget: null }],
  ['Redis', server === null
    ? null
    : {
        admission: redisAdmissionStore(server.redis, { prefix: server.prefix }),
        singleUse: redisSingleUseStore(server.redis, { prefix: server.prefix }),
        forget: (keyId) => server.redis.del(`${server.prefix}:{${keyId}}:e`)
      }]
]

for (const [name, stores] of adapters) {
  if (stores === null) {
    t.test(`${name} adapters`, { skip: 'no Redis answers' }, async () => {})
    continue
  }
  const { admission, singleUse, forget } = stores
  t.test(`${name}: of 120 concurrent requests exactly 60 are admitted`, async (t) => {
    const epoch = await admission.readEpoch('crowd')
    const verdicts = await Promise.all(Array.from({ length: 120 }, () => admission.admit({ keyId: 'crowd', epoch, ...DEFAULTS })))
    t.equal(verdicts.filter((verdict) => verdict.outcome === 'admitted').length, 60)
    t.equal(verdicts.filter((verdict) => verdict.outcome === 'refused').length, 60)
    t.same(verdicts.filter((verdict) => verdict.outcome === 'admitted').map((verdict) => windowOf(verdict).remaining), Array.from({ length: 60 }, (_, n) => 59 - n))
    const refused = await admission.admit({ keyId: 'crowd', epoch, ...DEFAULTS })
    t.match(refused, { outcome: 'refused', blocked: 'minute', window: { limit: 60, remaining: 0 } })
    t.ok(refused.outcome === 'refused' && refused.retryAfterMs > 50_000 && refused.retryAfterMs <= 60_000)
    t.ok(Math.abs(windowOf(refused).resetAtMs - Date.now() - 60_000) < 5000)
  })

  t.test(`${name}: a request under a stale epoch spends nothing and is told the current one`, async (t) => {
    const before = await admission.readEpoch('stale')
    t.equal(await admission.readEpoch('stale'), before)
    await admission.bumpEpoch('stale')
    const verdict = await admission.admit({ keyId: 'stale', epoch: before, ...DEFAULTS, replayId: 'sig' })
    t.same(verdict, { outcome: 'stale', epoch: await admission.readEpoch('stale') })
    t.not(await admission.readEpoch('stale'), before)
    const next = await admission.admit({ keyId: 'stale', epoch: await admission.readEpoch('stale'), ...DEFAULTS, replayId: 'sig' })
    t.match(next, { outcome: 'admitted', window: { remaining: 59 } })
  })

  t.test(`${name}: a key whose epoch is not known is stale, never admitted on trust`, async (t) => {
    const verdict = await admission.admit({ keyId: 'fresh', epoch: 'made-up', ...DEFAULTS })
    t.same(verdict, { outcome: 'stale', epoch: await admission.readEpoch('fresh') })
    t.match(await admission.admit({ keyId: 'fresh', epoch: '', ...DEFAULTS }), { outcome: 'stale' })
  })

  t.test(`${name}: a lost epoch makes the record stale`, { skip: forget === null ? 'memory loses epochs only with the process' : false }, async (t) => {
    const epoch = await admission.readEpoch('lost')
    t.equal((await admission.admit({ keyId: 'lost', epoch, ...DEFAULTS })).outcome, 'admitted')
    await forget?.('lost')
    t.equal((await admission.admit({ keyId: 'lost', epoch, ...DEFAULTS })).outcome, 'stale')
  })

  t.test(`${name}: an admitted request is admitted once, and its replay spends nothing`, async (t) => {
    const epoch = await admission.readEpoch('replay')
    const request = { keyId: 'replay', epoch, ...DEFAULTS, replayId: 'sig-1' }
    const verdicts = await Promise.all(Array.from({ length: 20 }, () => admission.admit(request)))
    t.equal(verdicts.filter((verdict) => verdict.outcome === 'admitted').length, 1)
    t.equal(verdicts.filter((verdict) => verdict.outcome === 'replayed').length, 19)
    t.match(await admission.admit({ ...request, replayId: 'sig-2' }), { outcome: 'admitted', window: { remaining: 58 } })
  })

  t.test(`${name}: a refused request spends nothing and is not remembered`, async (t) => {
    const epoch = await admission.readEpoch('refused')
    const request = { keyId: 'refused', epoch, ...DEFAULTS, perMinute: 1 }
    t.equal((await admission.admit(request)).outcome, 'admitted')
    t.equal((await admission.admit({ ...request, replayId: 'sig' })).outcome, 'refused')
    t.match(await admission.admit({ ...request, perMinute: 3, replayId: 'sig' }), { outcome: 'admitted', window: { limit: 3, remaining: 1 } }, 'the limit was raised; the same signature is admitted now')
    t.equal((await admission.admit({ ...request, perMinute: 3, replayId: 'sig' })).outcome, 'replayed')
  })

  t.test(`${name}: a changed limit keeps what was admitted`, async (t) => {
    const epoch = await admission.readEpoch('changed')
    const request = { keyId: 'changed', epoch, ...DEFAULTS }
    for (let n = 0; n < 5; n++) await admission.admit({ ...request, perMinute: 10, perHour: 20 })
    t.match(await admission.admit({ ...request, perMinute: 10, perHour: 5000 }), { outcome: 'admitted', window: { remaining: 4 } })
    t.match(await admission.admit({ ...request, perMinute: 10, perHour: 8000 }), { outcome: 'admitted', window: { remaining: 3 } })
    t.match(await admission.admit({ ...request, perMinute: 9, perHour: 8 }), { outcome: 'admitted', window: { remaining: 0 } })
    t.match(await admission.admit({ ...request, perMinute: 9, perHour: 8 }), { outcome: 'refused', blocked: 'hour' })
    t.match(await admission.admit({ ...request, perMinute: 2, perHour: 2 }), { outcome: 'refused', window: { remaining: 0 } })
    t.match(await admission.admit({ ...request, perMinute: 10, perHour: 20 }), { outcome: 'admitted', window: { remaining: 1 } }, 'lowering and raising forgot nothing')
  })

  t.test(`${name}: what a caller admitted alone counts like everything else, once, and in its own time`, async (t) => {
    const key = { keyId: 'alone', perMinute: 10, perHour: 20 }
    const epoch = await admission.readEpoch(key.keyId)
    const ago = (...seconds: number[]): number[] => seconds.map((one) => Date.now() - one * 1000)
    t.match(await admission.admit({ ...DEFAULTS, ...key, epoch: 'stale', admittedAloneMs: ago(1) }), { outcome: 'stale' })
    t.match(await admission.admit({ ...DEFAULTS, ...key, epoch, admittedAloneMs: ago(4000, 3000, 59, 30, 1) }), { outcome: 'admitted', window: { remaining: 6 } })
    t.match(await admission.admit({ ...DEFAULTS, ...key, epoch, admittedAloneMs: ago(2, 1) }), { outcome: 'admitted', window: { remaining: 3 } }, 'as young as the newest, at most')
    t.match(await admission.admit({ ...DEFAULTS, ...key, epoch, admittedAloneMs: ago(...Array.from({ length: 30 }, (_, n) => 30 - n)) }), { outcome: 'refused', window: { remaining: 0 } }, 'more than the limit fills it')
    t.match(await admission.readWindow(key), { remaining: 0 })
    t.match(await admission.admit({ ...DEFAULTS, ...key, perHour: 30, epoch }), { outcome: 'refused', window: { remaining: 0 } })
    const large = { keyId: 'alone-large', perMinute: 100, perHour: 6000 }
    const epochOfLarge = await admission.readEpoch(large.keyId)
    for (let n = 0; n < 3; n++) await admission.admit({ ...DEFAULTS, ...large, epoch: epochOfLarge })
    t.match(await admission.admit({ ...DEFAULTS, ...large, epoch: epochOfLarge, admittedAloneMs: ago(3, 2, 1) }), { outcome: 'admitted', window: { remaining: 93 } })
  })

  t.test(`${name}: refuses limits that it cannot hold exactly`, async (t) => {
    const epoch = await admission.readEpoch('limits')
    await t.rejects(admission.admit({ keyId: 'limits', epoch, ...DEFAULTS, perHour: 100_001 }), RangeError)
    await t.rejects(admission.admit({ keyId: 'limits', epoch, ...DEFAULTS, perMinute: 0 }), RangeError)
  })

  t.test(`${name}: a look at the windows spends nothing and tells what an admission would`, async (t) => {
    const key = { keyId: 'looked', perMinute: 3, perHour: 1000 }
    const epoch = await admission.readEpoch(key.keyId)
    t.match(await admission.readWindow(key), { limit: 3, remaining: 3 })
    for (const remaining of [2, 1, 0]) {
      const verdict = await admission.admit({ ...DEFAULTS, ...key, epoch })
      const seen = await admission.readWindow(key)
      t.match(seen, { limit: 3, remaining })
      t.ok(Math.abs(seen.resetAtMs - windowOf(verdict).resetAtMs) < 100)
    }
    t.match(await admission.readWindow(key), { limit: 3, remaining: 0 })
    t.equal((await admission.readEpoch(key.keyId)), epoch)
  })

  t.test(`${name}: of 50 concurrent takers of a token exactly one gets it`, async (t) => {
    await singleUse.issue('jti-1', 900)
    const answers = await Promise.all(Array.from({ length: 50 }, () => singleUse.take('jti-1')))
    t.equal(answers.filter((answer) => answer === 'taken').length, 1)
    t.equal(answers.filter((answer) => answer === 'used').length, 49)
  })

  t.test(`${name}: a token that was never issued is unknown, before and after a give back`, async (t) => {
    t.equal(await singleUse.take('jti-2'), 'unknown')
    await singleUse.giveBack('jti-2')
    t.equal(await singleUse.take('jti-2'), 'unknown')
  })

  t.test(`${name}: a use given back can be taken once more`, async (t) => {
    await singleUse.issue('jti-3', 900)
    t.equal(await singleUse.take('jti-3'), 'taken')
    await singleUse.giveBack('jti-3')
    t.equal(await singleUse.take('jti-3'), 'taken')
    t.equal(await singleUse.take('jti-3'), 'used')
  })

  t.test(`${name}: issuing a used token again does not make it fresh`, async (t) => {
    await singleUse.issue('jti-4', 900)
    await singleUse.take('jti-4')
    await singleUse.issue('jti-4', 900)
    t.equal(await singleUse.take('jti-4'), 'used')
  })
}
