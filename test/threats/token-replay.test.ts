import t, { type Test } from 'tap'
import { auditRowOf, front, onEachStore, P, stateRows } from '../helper/fronts.ts'
import { call, FLOW, headersFor, newCaller, send, start, type Answer } from '../helper/service.ts'
import { signRequest } from '../../plugins/lib/hmac.ts'
import { memoryAdmissionStore } from '../../plugins/support/memory.ts'

const EVALUATE = `${P}/evaluate`
const BODY = JSON.stringify({ blueprints: [{ id: 'a', blueprint: FLOW }] })

await onEachStore(t, 'token replay: whoever recorded a signed request gains nothing by sending it', async (t, stores) => {
  const { runtime, url } = await start(stores, { RUN_WORKER: 'false' })
  t.teardown(() => runtime.close())
  const second = await front(t, runtime, { instanceId: 'second' })
  const replayed = async (t: Test, answer: Answer): Promise<void> => {
    t.equal(answer.status, 403)
    t.match(answer.body, { ok: false, code: 'signature_replayed', error: 'Request signature already used' })
    t.match(await auditRowOf(runtime, answer), { code: 'signature_replayed', status: 403 })
  }

  await t.test('again here, again on another instance, with another query, another agent, from another connection: refused, and nothing is written or spent', async (t) => {
    const caller = await newCaller(runtime)
    const headers = headersFor(caller, 'POST', EVALUATE, BODY)
    const first = await send(url, 'POST', EVALUATE, headers, BODY)
    t.equal(first.status, 200)
    const rows = await stateRows(runtime)
    const left = first.headers.get('x-ratelimit-remaining')
    for (const [target, path, extra] of [[url, EVALUATE, {}], [second, EVALUATE, {}], [url, `${EVALUATE}?a=1`, {}], [url, EVALUATE, { 'user-agent': 'other', connection: 'close' }], [second, EVALUATE, { 'idempotency-key': 'other' }]] as const) {
      const answer = await send(target, 'POST', path, { ...headers, ...extra }, BODY)
      await replayed(t, answer)
      t.equal(answer.headers.get('x-ratelimit-remaining'), left)
    }
    t.same(await stateRows(runtime), rows)
  })

  await t.test('a windows store that forgot it, failed over or was restored lets it in no second time, on any instance', async (t) => {
    const caller = await newCaller(runtime)
    const headers = headersFor(caller, 'POST', EVALUATE, BODY)
    t.equal((await send(url, 'POST', EVALUATE, headers, BODY)).status, 200)
    const rows = await stateRows(runtime)
    const forgetful = await front(t, runtime, {}, { admission: memoryAdmissionStore() })
    await replayed(t, await send(forgetful, 'POST', EVALUATE, headers, BODY))
    t.same(await stateRows(runtime), rows)
    const fresh = headersFor(caller, 'POST', EVALUATE, `${BODY} `)
    const answers = await Promise.all(Array.from({ length: 20 }, async (_, n) => await send(n % 2 === 0 ? url : forgetful, 'POST', EVALUATE, fresh, `${BODY} `)))
    t.equal(answers.filter(({ status }) => status === 200).length, 1)
    t.equal(answers.filter(({ body }) => body.code === 'signature_replayed').length, 19)
  })

  await t.test('the same signature written in another way is the same request', async (t) => {
    const caller = await newCaller(runtime)
    const headers = headersFor(caller, 'POST', EVALUATE, BODY)
    t.equal((await send(url, 'POST', EVALUATE, headers, BODY)).status, 200)
    const [time = '', mac = ''] = (headers['x-fb-signature'] ?? '').split(',')
    const other = `v1=${'0'.repeat(64)}`
    for (const text of [`${mac},${time}`, ` ${time} , ${mac} `, `${time},${mac},v9=x`, `${time},${other},${mac}`, `${time},${mac},${other}`, `${time},${mac},${mac}`, `nonce=1,${time},${mac}`]) {
      await replayed(t, await send(url, 'POST', EVALUATE, { ...headers, 'x-fb-signature': text }, BODY))
    }
    for (const text of [`t=0${time.slice(2)},${mac}`, `${time}.0,${mac}`, `${time},${time},${mac}`, `${time},${mac.toUpperCase()}`]) {
      t.match((await send(url, 'POST', EVALUATE, { ...headers, 'x-fb-signature': text }, BODY)).body, { code: 'signature_invalid' }, text)
    }
  })

  await t.test('of fifty copies sent at once to two instances exactly one is accepted', async (t) => {
    const caller = await newCaller(runtime, { rpm: 1000 })
    const headers = headersFor(caller, 'POST', EVALUATE, BODY)
    const before = await stateRows(runtime)
    const answers = await Promise.all(Array.from({ length: 50 }, (_, n) => send(n % 2 === 0 ? url : second, 'POST', EVALUATE, headers, BODY)))
    t.equal(answers.filter(({ status }) => status === 200).length, 1)
    t.equal(answers.filter(({ body }) => body.code === 'signature_replayed').length, 49)
    t.equal((await stateRows(runtime))['evaluations'], (before['evaluations'] ?? 0) + 1)
    t.equal((await call(url, caller, 'GET', '/governance/policies')).headers.get('x-ratelimit-remaining'), '998', 'one and this one were spent')
  })

  await t.test('a signature does not fit another method, path, body, key or time', async (t) => {
    const caller = await newCaller(runtime)
    const stranger = await newCaller(runtime)
    const get = headersFor(caller, 'GET', `${P}/scenarios`)
    const post = headersFor(caller, 'POST', EVALUATE, BODY)
    const later = `t=${Math.floor(Date.now() / 1000) + 1},${(post['x-fb-signature'] ?? '').split(',')[1]}`
    const attempts: Array<[string, string, Record<string, string>, string?]> = [
      ['DELETE', `${P}/scenarios`, get], ['GET', `${P}/webhooks`, get], ['GET', `${P}/scenarios/`, get], ['GET', `${P}/Scenarios`, get], ['GET', `${P}/%20scenarios`, get],
      ['POST', EVALUATE, post, `${BODY} `], ['POST', EVALUATE, post, BODY.replace('"a"', '"b"')], ['POST', EVALUATE, post], ['PUT', EVALUATE, post, BODY],
      ['POST', EVALUATE, { ...post, authorization: `Bearer ${stranger.key}` }, BODY], ['POST', EVALUATE, { ...post, 'x-fb-signature': later }, BODY]
    ]
    for (const [method, path, headers, body] of attempts) t.match((await send(url, method, path, headers, body)).body, { code: 'signature_invalid' }, `${method} ${path}`)
    t.equal((await send(url, 'POST', EVALUATE, post, BODY)).status, 200, 'the original is still good')
  })

  await t.test('a recorded request is of no use after five minutes, while its replay record outlives it', async (t) => {
    const recordedMs = Date.now()
    let nowMs = recordedMs
    const clocked = await front(t, runtime, {}, { now: () => nowMs })
    const caller = await newCaller(runtime, { rpm: 1000 })
    const at = Math.floor(recordedMs / 1000)
    const sign = (method: string, path: string, body = ''): Record<string, string> => ({ ...headersFor(caller, method, path, body), 'x-fb-signature': signRequest({ key: caller.key, timestampSeconds: at, method, path, body: Buffer.from(body) }) })
    const post = sign('POST', EVALUATE, BODY)
    const get = sign('GET', `${P}/scenarios`)
    for (const [ageSeconds, code] of [[-301, 'signature_invalid'], [-300, undefined], [-299, undefined], [0, undefined], [300, undefined], [301, 'signature_invalid'], [86_400, 'signature_invalid']] as const) {
      nowMs = (at + ageSeconds) * 1000
      t.equal((await send(clocked, 'GET', `${P}/scenarios`, get)).body.code, code, `${ageSeconds} s`)
    }
    nowMs = (at - 300) * 1000
    t.equal((await send(clocked, 'POST', EVALUATE, post, BODY)).status, 200, 'signed by a clock that runs five minutes fast')
    for (const ageSeconds of [-300, 0, 300]) {
      nowMs = (at + ageSeconds) * 1000
      t.match((await send(clocked, 'POST', EVALUATE, post, BODY)).body, { code: 'signature_replayed' }, `${ageSeconds} s`)
    }
  })

  await t.test('a request that was refused was not used up: it may be sent again unchanged', async (t) => {
    const caller = await newCaller(runtime, { rpm: 1 })
    const headers = headersFor(caller, 'POST', EVALUATE, BODY)
    t.equal((await call(url, caller, 'GET', '/scenarios')).status, 200)
    for (let n = 0; n < 3; n++) t.match((await send(url, 'POST', EVALUATE, headers, BODY)).body, { code: 'rate_limited' })
    if (stores.env['REDIS_URL'] !== undefined) return
    // The embedded windows live in this process; on Redis the seconds would have to pass.
    t.match((await send(second, 'POST', EVALUATE, headers, BODY)).body, { code: 'rate_limited' })
  })
})
