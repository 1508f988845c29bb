import t from 'tap'
import { Redis } from 'ioredis'
import { sql } from 'drizzle-orm'
import { rowsOf } from '../../db/rows.ts'
import { mintResultToken } from '../../plugins/lib/result-token.ts'
import { memorySingleUseStore } from '../../plugins/support/memory.ts'
import { auditRowOf, front, judge, onEachStore, P, sendRaw, submit, type Submitted } from '../helper/fronts.ts'
import { newCaller, operate, send, start, type Answer } from '../helper/service.ts'

await onEachStore(t, 'result-token replay: a link gives its results once, to whoever comes first', async (t, stores) => {
  const { runtime, url } = await start(stores, { RUN_WORKER: 'false' })
  t.teardown(() => runtime.close())
  const { secrets } = runtime.config
  const caller = await newCaller(runtime, { rpm: 10_000, rph: 100_000 })
  const fetchResults = async (token: string, target = url): Promise<Answer> => await send(target, 'GET', `${P}/results/${token}`)
  const judged = async (): Promise<Submitted> => {
    const submitted = await submit(url, caller)
    await judge(runtime, submitted.id)
    return submitted
  }
  const redemptions = async (id: string): Promise<number> => Number(rowsOf(await runtime.database.db.execute(sql`select count(*)::int as count from redemptions where evaluation_id = ${id}`))[0]?.['count'])

  await t.test('presented again: 410 without a byte of the results, and the audit trail shows every presentation', async (t) => {
    const { id, token } = await judged()
    const first = await fetchResults(token)
    t.equal(first.status, 200)
    t.match(await auditRowOf(runtime, first), { orgId: caller.orgId, keyId: null, status: 200, jti: /^[0-9a-f]{32}$/ })
    for (let n = 0; n < 3; n++) {
      const again = await fetchResults(token)
      t.equal(again.status, 410)
      t.same(Object.keys(again.body).sort(), ['code', 'error', 'meta', 'ok'])
      t.match(again.body, { code: 'result_token_used', error: 'Result token already used' })
      t.match(await auditRowOf(runtime, again), { orgId: caller.orgId, code: 'result_token_used', jti: null })
    }
    t.equal(await redemptions(id), 1)
    t.equal(first.headers.get('cache-control'), 'no-store')
    t.equal(first.headers.get('referrer-policy'), 'no-referrer')
  })

  await t.test('of a hundred presenters on two instances exactly one succeeds, ten times over', async (t) => {
    const second = await front(t, runtime, { instanceId: 'second' })
    for (let round = 0; round < 10; round++) {
      const { id, token } = await judged()
      const statuses = (await Promise.all(Array.from({ length: 100 }, (_, n) => fetchResults(token, n % 2 === 0 ? url : second)))).map(({ status }) => status)
      t.equal(statuses.filter((status) => status === 200).length, 1)
      // A hundred at once can outlast the store's deadline on a busy machine: refused all the same.
      t.same(statuses.filter((status) => ![200, 410, 503].includes(status)), [], 'everybody else is refused')
      t.equal(await redemptions(id), 1)
    }
  })

  await t.test('a windows store that forgot, failed over or was restored gives no second use', async (t) => {
    const { id, token } = await judged()
    const [, payload = ''] = token.split('.')
    const { jti } = JSON.parse(Buffer.from(payload, 'base64url').toString())
    t.equal((await fetchResults(token)).status, 200)
    await runtime.singleUse.giveBack(jti)
    t.equal((await fetchResults(token)).status, 410, 'restored from a copy in which it was unused')
    if (stores.env['REDIS_URL'] !== undefined) {
      const redis = new Redis(stores.env['REDIS_URL'])
      t.equal(await redis.del(`${stores.env['REDIS_PREFIX']}:t:${jti}`), 1)
      redis.disconnect()
      t.equal((await fetchResults(token)).status, 401, 'lost altogether: refused, not trusted')
    }
    const empty = memorySingleUseStore()
    const restored = await front(t, runtime, {}, { singleUse: empty })
    t.equal((await fetchResults(token, restored)).status, 401)
    await empty.issue(jti, 900)
    t.equal((await fetchResults(token, restored)).status, 410, 'issued anew: the row in the database remembers')
    t.equal(await redemptions(id), 1)
  })

  await t.test('HEAD, OPTIONS, POST and a browser\'s prefetch of another method never spend it', async (t) => {
    const { id, token } = await judged()
    for (const method of ['HEAD', 'POST', 'PUT', 'DELETE', 'PATCH']) t.equal((await sendRaw(url, { method, path: `${P}/results/${token}`, headers: method === 'HEAD' ? {} : { 'content-length': '0' } })).status, 405, method)
    t.equal((await sendRaw(url, { method: 'OPTIONS', path: `${P}/results/${token}`, headers: { origin: 'https://a.example' } })).status, 403)
    t.equal(await redemptions(id), 0)
    t.equal((await fetchResults(token)).status, 200)
  })

  await t.test('899 seconds are in, 900 are out; an expired token stays unspent and useless', async (t) => {
    let nowMs = Date.now()
    const clocked = await front(t, runtime, {}, { now: () => nowMs })
    const [late, last] = [await judged(), await judged()]
    const issuedSeconds = (token: string): number => JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()).iat
    nowMs = (issuedSeconds(late.token) + 900) * 1000
    t.match((await fetchResults(late.token, clocked)).body, { code: 'result_token_invalid' })
    t.equal(await redemptions(late.id), 0)
    nowMs = (issuedSeconds(last.token) + 899) * 1000 + 999
    t.equal((await fetchResults(last.token, clocked)).status, 200)
  })

  await t.test('a token opens its own evaluation and no other, however it is recombined', async (t) => {
    const [one, two] = [await judged(), await judged()]
    const [[head, payload, mac], [, otherPayload, otherMac]] = [one.token.split('.'), two.token.split('.')]
    const claims = JSON.parse(Buffer.from(payload ?? '', 'base64url').toString())
    const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
    const stranger = await newCaller(runtime)
    const forged = [`${head}.${otherPayload}.${mac}`, `${head}.${payload}.${otherMac}`, `${head}.${encode({ ...claims, sub: two.id })}.${mac}`, `${head}.${encode({ ...claims, exp: claims.exp + 900 })}.${mac}`,
      `${head}.${encode({ ...claims, jti: '0'.repeat(32) })}.${mac}`, `${encode({ alg: 'none', typ: 'JWT' })}.${payload}.`, `${encode({ alg: 'HS512', typ: 'JWT' })}.${payload}.${mac}`,
      mintResultToken({ evaluationId: one.id, orgId: caller.orgId, jti: 'f'.repeat(32), iatSeconds: claims.iat }, secrets.resultToken),
      mintResultToken({ evaluationId: one.id, orgId: stranger.orgId, jti: claims.jti, iatSeconds: claims.iat }, secrets.resultToken)]
    for (const token of forged) t.match((await fetchResults(token)).body, { code: 'result_token_invalid' })
    for (const text of [`${one.token}%00`, `${one.token}/`, `${one.token}=`, `%20${one.token}`, one.token.replace('.', '%2E%2E'), `${one.token}.`]) t.ok([400, 401, 404].includes((await fetchResults(text)).status), 'another spelling')
    t.same([await redemptions(one.id), await redemptions(two.id)], [0, 0], 'nothing was spent by trying')
    t.same([(await fetchResults(one.token)).body.data.evaluation_id, (await fetchResults(two.token)).body.data.evaluation_id], [one.id, two.id])
  })

  await t.test('two tokens of one evaluation are two uses, one each; a revoked key does not take them back (as published)', async (t) => {
    const owner = await newCaller(runtime)
    const submitted = await submit(url, owner)
    await judge(runtime, submitted.id)
    await operate(runtime, 'key.revoke', { key: owner.keyId })
    t.equal((await fetchResults(submitted.token)).status, 200)
    t.equal((await fetchResults(submitted.token)).status, 410)
  })

  await t.test('a token is a path and nothing else: not in a header, a query or a body', async (t) => {
    const { id, token } = await judged()
    t.equal((await send(url, 'GET', `${P}/results/`, { authorization: `Bearer ${token}` })).status, 401)
    t.equal((await send(url, 'GET', `${P}/results/x?token=${token}`)).status, 401)
    t.equal((await send(url, 'GET', `${P}/evaluations/${id}`, { authorization: `Bearer ${token}` })).status, 401, 'nor is it a key')
    t.equal(await redemptions(id), 0)
  })
})
