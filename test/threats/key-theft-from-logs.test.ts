import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { Redis } from 'ioredis'
import { connectAdminSocket } from '../../bin/admin-socket.ts'
import { loadConfig } from '../../config.ts'
import { importBlueprint } from '../../evaluation/graph/import.ts'
import type { OperationName } from '../../evaluation/operator.ts'
import { CANARY, countPlanted, everyCell, plantedBlueprints } from '../helper/canaries.ts'
import { asOwner, onEachStore, P, sendRaw } from '../helper/fronts.ts'
import { spawnServer } from '../helper/process.ts'
import { contentOf, keysOf } from '../helper/redis.ts'
import { embedded, FLOW, headersFor, newCaller, operate, send, start, type Answer, type Caller, type Stores } from '../helper/service.ts'

/** More of a key than the twelve characters that may be seen. */
const RAW_KEY = /fb_live_[0-9a-f]{5,}/i
const TOKEN = /eyJ[\w-]{10,}/
const WEBHOOK_SECRET = /whsec_[0-9a-f]{4,}/
const AGENT = 'zqcanary0-agent'

type Operate = (name: OperationName, args: object) => Promise<any>

// Operations reach a server that owns its folder through its socket, and one on real stores beside it.
async function operatorOf (stores: Stores): Promise<{ operate: Operate, sql: ((statement: string) => Promise<unknown>) | null, close: () => Promise<void> }> {
  if (stores.env['DATABASE_URL'] === undefined) {
    const client = await connectAdminSocket(join(stores.env['DATA_DIR'] ?? '', 'admin.sock'), 'test')
    if (client === null) throw new Error('the server offers no socket')
    return { operate: (name, args) => client.call(name, args), sql: null, close: async () => client.close() }
  }
  const { runtime } = await start(stores, { RUN_WORKER: 'false' })
  return { operate: (name, args) => operate(runtime, name, args), sql: (statement) => asOwner(runtime, statement), close: () => runtime.close() }
}

await onEachStore(t, 'whoever reads the logs, the database and every answer has no key, no token and no value of a blueprint', async (t, stores) => {
  const server = await spawnServer({ ...stores.env, LOG_LEVEL: 'trace', WEBHOOK_UNSAFE_ALLOWED_RANGES: '127.0.0.1/32' })
  const operator = await operatorOf(stores)
  const answers: Answer[] = []
  const secrets: string[] = []
  const newKey = async (options: object = {}): Promise<Caller> => {
    const org = await operator.operate('org.create', { name: 'Visible organization' })
    const key = await operator.operate('key.create', { org: org.id, name: 'Visible key', permissions: ['admin'], rpm: 10_000, rph: 100_000, ...options })
    secrets.push(key.key)
    return { orgId: org.id, keyId: key.id, key: key.key }
  }
  const raw = async (method: string, path: string, headers: Record<string, string>, body = ''): Promise<Answer> => {
    const answer = await sendRaw(server.url, { method, path, headers: { 'user-agent': 'partner/1', ...headers, ...(body === '' ? {} : { 'content-length': String(Buffer.byteLength(body)) }) }, body: body === '' ? [] : [body] })
    answers.push(answer)
    return answer
  }
  const ask = async (caller: Caller, method: string, path: string, body = '', headers: Record<string, string> = {}): Promise<Answer> => await raw(method, P + path, { ...headersFor(caller, method, P + path, body), ...headers }, body)
  const caller = await newKey()
  const reader = await newKey({ permissions: ['governance:read'] })
  const listed = await newKey({ ip_allow: ['203.0.113.0/24'] })
  const revoked = await newKey()
  const tokens: string[] = []

  await t.test('good traffic: every way of planting is imported, judged and read back', async (t) => {
    const blueprints = plantedBlueprints().map((one, at) => ({ id: `blueprint-${at}`, name: `Visible name ${at}`, blueprint: one.blueprint, save: at % 2 === 0 }))
    for (let from = 0; from < blueprints.length; from += 10) {
      const submitted = await ask(caller, 'POST', '/evaluate', JSON.stringify({ blueprints: blueprints.slice(from, from + 10) }))
      t.equal(submitted.status, 200, JSON.stringify(submitted.body.detail ?? ''))
      const { evaluation_id: id, result_token: token } = submitted.body.data
      tokens.push(token)
      let state = ''
      while (state !== 'complete') {
        const { body } = await ask(caller, 'GET', `/evaluations/${id}`)
        state = body.data.status
        if (state === 'complete') t.notOk(body.data.scenarios.some((scenario: { error?: string }) => scenario.error !== undefined), 'every scenario was judged')
        else await new Promise((resolve) => setTimeout(resolve, 20))
      }
      t.equal((await raw('GET', `${P}/results/${token}`, {})).status, 200)
    }
    const { body } = await ask(caller, 'GET', '/scenarios?limit=100')
    for (const { id } of body.data.scenarios.slice(0, 20)) for (const part of ['results', 'remediation']) t.equal((await ask(caller, 'GET', `/scenarios/${id}/${part}`)).status, 200)
    for (const path of ['/governance/summary', '/governance/policies', '/requests?limit=100']) t.equal((await ask(caller, 'GET', path)).status, 200)
    const files = plantedBlueprints().slice(0, 20).map(({ blueprint }, at) => ({ path: `file-${at}.json`, text: JSON.stringify(blueprint) }))
    const imported = await operator.operate('import', { org: caller.orgId, files })
    t.same([imported.imported.length, imported.refused.length], [20, 0])
    answers.push({ status: 0, headers: new Headers(), body: imported })
    const webhook = await ask(caller, 'POST', '/webhooks', JSON.stringify({ url: 'http://127.0.0.1:9/in', events: ['evaluation.complete'] }))
    t.equal(webhook.status, 200)
    secrets.push(webhook.body.data.signing_secret)
    await ask(caller, 'POST', '/evaluate', JSON.stringify({ blueprints: blueprints.slice(0, 2) }))
    t.comment(`${countPlanted()} canaries in ${blueprints.length + files.length} blueprints`)
  })

  await t.test('bad traffic: keys, tokens and canaries where they do not belong, and every kind of refusal', async (t) => {
    const [token = ''] = tokens
    const stranger = `fb_live_${'abcdef012345'.repeat(4)}`
    secrets.push(stranger)
    await operator.operate('key.revoke', { key: revoked.keyId })
    const good = headersFor(caller, 'GET', `${P}/scenarios`)
    const strange: Array<Record<string, string>> = [
      { authorization: 'Bearer zqcanary901' }, { authorization: `Basic ${Buffer.from(`zqcanary902:${caller.key}`).toString('base64')}` }, { authorization: `Bearer ${stranger}` },
      { authorization: `Bearer ${revoked.key}` }, { authorization: `bearer ${caller.key} zqcanary903` }, { authorization: `Bearer ${token}` }, { authorization: caller.key },
      { ...good, 'x-fb-signature': 'zqcanary904' }, { ...good, 'x-fb-signature': `t=1,v1=${caller.key}` }, { ...good, 'x-forwarded-for': 'zqcanary905', forwarded: 'for=zqcanary906' },
      { ...good, cookie: `session=${caller.key}; other=zqcanary907` }, { ...good, referer: `https://zqcanary908.example/?key=${caller.key}` }, { ...good, origin: 'https://zqcanary909.example' },
      { ...good, 'x-api-key': caller.key, 'x-request-id': 'zqcanary910', traceparent: 'zqcanary911', 'x-zqcanary912': '1' }, { ...good, 'if-none-match': '"zqcanary913"' },
      { ...good, 'accept-language': 'zqcanary914', accept: 'zqcanary915/x', 'x-http-method-override': 'zqcanary916' }
    ]
    for (const headers of strange) await raw('GET', `${P}/scenarios`, headers)
    for (const path of [`/scenarios?key=${caller.key}&token=${token}&x=zqcanary920`, '/scenarios?cursor=zqcanary921', `/scenarios/${caller.key}/results`, `/evaluations/${caller.key}`, '/evaluations/zqcanary922', '/zqcanary923', `/${caller.key}`, '/governance/policies/zqcanary924', `/webhooks/${caller.key}`, '/webhooks/zqcanary925/deliveries']) {
      for (const one of [caller, reader, listed, revoked]) await ask(one, 'GET', path)
    }
    for (const text of [token, `${token}x`, `${token.slice(0, -2)}zz`, token.replace(/\.[^.]*\./, '.e30.'), 'zqcanary930', caller.key, `${token}?a=zqcanary931`, 'eyJhbGciOiJub25lIn0.eyJzdWIiOiJ6cWNhbmFyeTkzMiJ9.']) await raw('GET', `${P}/results/${text}`, {})
    for (const body of ['{"zqcanary', '"zqcanary940', '{"scenario_ids":[{"a":"zqcanary941"}],"org_id":"x"}', '{"org_id":"zqcanary942","scenario_ids":["a"]}', '{"blueprints":[{"id":"a","blueprint":{"zqcanary943":"zqcanary944"}}]}', '{"blueprints":[{"id":"a","blueprint":{"flow":"zqcanary945"}}]}',
      '{"blueprints":[{"id":"a","blueprint":{"blueprint":"{zqcanary946"}}]}', `${'['.repeat(70)}"zqcanary947"${']'.repeat(70)}`, '{"blueprints":[{"id":"a","blueprint":{"nodes":[{"name":1,"parameters":"zqcanary948"}]}}]}']) {
      for (const one of [caller, reader]) await ask(one, 'POST', '/evaluate', body)
      // One blank more, or it would be the same signed request a second time.
      await ask(caller, 'POST', '/evaluate', `${body} `, { 'content-type': 'text/zqcanary949' })
      await ask(caller, 'POST', '/webhooks', body)
    }
    for (const [method, path] of [['PUT', '/evaluate'], ['DELETE', '/scenarios'], ['OPTIONS', '/evaluate']] as const) await ask(caller, method, path)
    await raw('OPTIONS', `${P}/evaluate`, { origin: 'https://zqcanary950.example', 'access-control-request-method': 'POST', 'access-control-request-headers': 'zqcanary951' })
    await raw('GET', `/zqcanary952/${caller.key}`, good)
    await raw('GET', `${P}/evaluations/%zz${caller.key}`, good)
    await raw('GET', `${P}/scenarios`, { ...good, 'user-agent': AGENT })
    if (operator.sql !== null) {
      // What the database says about a statement quotes what was bound to it.
      await operator.sql('alter table evaluation_items rename to evaluation_items_away')
      for (const { blueprint } of plantedBlueprints().slice(0, 3)) t.equal((await ask(caller, 'POST', '/evaluate', JSON.stringify({ blueprints: [{ id: 'a', name: 'Visible name', blueprint }] }))).status, 503)
      await operator.sql('alter table evaluation_items_away rename to evaluation_items')
    }
    const statuses = [...new Set(answers.map(({ status }) => status))].sort()
    t.comment(`${answers.length} answers: ${statuses.join(', ')}`)
    for (const status of [200, 304, 400, 401, 403, 404, 405, 410, 415, 422].filter((one) => one !== 304)) t.ok(statuses.includes(status), `${status} is among them`)
  })

  await operator.close()
  t.equal(await server.stop(), 0, 'the server ends in order')
  const config = loadConfig(stores.env)
  const sealed = [...Object.values(config.secrets).filter((one) => Buffer.isBuffer(one)), ...secrets.map((one) => Buffer.from(one))]

  await t.test('what the process wrote', async (t) => {
    const output = server.output()
    t.match(output, /"msg":"configuration"/, 'it did write, at the level trace')
    t.match(output, /"level":10|"level":20|"level":30/)
    if (operator.sql !== null) t.match(output, /"code":"unavailable"/, 'its errors are in it')
    const found = (pattern: RegExp): string[] => output.split('\n').filter((line) => line.search(pattern) >= 0)
    t.same(found(RAW_KEY), [], 'no key beyond twelve characters')
    t.same(found(TOKEN), [], 'no result token')
    t.same(found(WEBHOOK_SECRET), [], 'no signing secret of a webhook')
    t.same(found(CANARY), [], 'no value of a blueprint, a header or a body')
    for (const secret of sealed) for (const encoding of ['hex', 'base64', 'base64url', 'latin1'] as const) if (output.includes(secret.toString(encoding))) t.fail(`a secret in ${encoding}`)
  })

  await t.test('every answer', async (t) => {
    const texts = answers.map(({ status, headers, body }) => `${status} ${JSON.stringify([...headers])} ${JSON.stringify(body)}`)
    t.same(texts.filter((text) => text.search(CANARY) >= 0), [])
    t.same(texts.filter((text) => RAW_KEY.test(text)), [])
    t.ok(texts.some((text) => text.includes('Visible name')), 'labels do come back')
  })

  await t.test('every cell of every table', async (t) => {
    const cells = await everyCell(config.databaseUrl)
    const at = (pattern: RegExp | string): string[] => cells.filter(({ text }) => typeof pattern === 'string' ? text.includes(pattern) : text.search(pattern) >= 0).map(({ table, column, text }) => `${table}.${column}: ${text.slice(0, 200)}`)
    t.comment(`${cells.length} cells of ${new Set(cells.map(({ table }) => table)).size} tables`)
    t.ok(at('Visible name').length > 20, 'the search finds what is there')
    t.ok(at(caller.key.slice(0, 12)).length > 20, 'the prefix is there')
    t.same(at(RAW_KEY), [])
    t.same(at(TOKEN), [])
    t.same(at(WEBHOOK_SECRET), [])
    t.same(at(CANARY).filter((text) => !/^audit_rows\w*\.user_agent: zqcanary0-agent$/.test(text)), [], 'the user agent alone is kept, where the contract says so')
    for (const secret of sealed) for (const encoding of ['hex', 'base64', 'base64url', 'latin1'] as const) t.same(at(secret.toString(encoding)), [])
  })

  await t.test(stores.env['REDIS_URL'] === undefined ? 'every file of the database folder' : 'every key and value in Redis', async (t) => {
    const { DATA_DIR = '', REDIS_URL, REDIS_PREFIX = '' } = stores.env
    const texts: Array<[string, string]> = []
    if (REDIS_URL === undefined) {
      for (const file of readdirSync(join(DATA_DIR, 'pg'), { recursive: true, withFileTypes: true })) if (file.isFile()) texts.push([file.name, readFileSync(join(file.parentPath, file.name), 'latin1')])
    } else {
      const redis = new Redis(REDIS_URL)
      t.teardown(() => redis.disconnect())
      for (const key of await keysOf(redis, REDIS_PREFIX)) texts.push([key, `${key} ${await contentOf(redis, key)}`])
    }
    t.ok(texts.length > 5, `${texts.length} searched`)
    // In a binary file the twelfth character of a prefix is followed by whatever comes next, so keys are looked for as they are.
    for (const [name, text] of texts) {
      for (const pattern of [TOKEN, WEBHOOK_SECRET, /zqcanary[1-9]/i]) if (text.search(pattern) >= 0) t.fail(`${name}: ${pattern.source}`)
      for (const secret of secrets) if (text.includes(secret.slice(0, 16)) || text.includes(secret.slice(-16))) t.fail(`${name} holds a key`)
    }
  })
})

t.test('a text in the place of a module\'s type that cannot be a type is not kept', async (t) => {
  const value = 'http://user:zqcanary1@api.plain-host.net/?key=zqcanary2'
  for (const document of [{ name: 'a', flow: [{ id: 1, module: value, version: 1, mapper: {} }] }, { name: 'a', nodes: [{ name: 'n', type: value, parameters: {} }], connections: {} }]) {
    const imported = importBlueprint(document)
    t.equal(JSON.stringify(imported).search(CANARY), -1)
  }
})

t.test('a key in the wrong header is not kept', async (t) => {
  const stores = embedded()
  t.teardown(() => stores.drop())
  const { runtime, url } = await start(stores, { RUN_WORKER: 'false' })
  const caller = await newCaller(runtime)
  const body = JSON.stringify({ blueprints: [{ id: 'a', blueprint: FLOW }] })
  t.equal((await send(url, 'POST', `${P}/evaluate`, { ...headersFor(caller, 'POST', `${P}/evaluate`, body), 'user-agent': `client ${caller.key}` }, body)).status, 200)
  t.equal((await send(url, 'POST', `${P}/evaluate`, { ...headersFor(caller, 'POST', `${P}/evaluate`, `${body} `), 'idempotency-key': caller.key }, `${body} `)).status, 400)
  await runtime.close()
  t.same((await everyCell(runtime.config.databaseUrl)).filter(({ text }) => RAW_KEY.test(text)), [])
})
