import { spawnSync } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { traceWatermarks } from '../../db/queries/traces.ts'
import { signHardened } from '../../plugins/lib/hardened-signature.ts'
import { front, onEachStore, P } from '../helper/fronts.ts'
import { call, headersFor, newCaller, operate, send, start, type Answer, type Caller } from '../helper/service.ts'

const FB = fileURLToPath(new URL('../../bin/fb.js', import.meta.url))
const SCENARIOS = `${P}/scenarios`
const HTTPS = { 'x-forwarded-proto': 'https' }

const mistaken = (caller: Caller, make: (time: number) => string): Record<string, string> => {
  const time = Math.floor(Date.now() / 1000)
  return { ...HTTPS, authorization: `Bearer ${caller.key}`, 'x-fb-signature': `t=${time},v1=${createHmac('sha256', caller.key).update(make(time)).digest('hex')}` }
}

await onEachStore(t, 'what a refused signature differs in', async (t, stores) => {
  const { runtime, url } = await start(stores, { RUN_WORKER: 'false', TRUSTED_PROXIES: '127.0.0.1' })
  const production = await front(t, runtime, { production: true })
  const reasonOf = async ({ body }: Answer): Promise<string | null> => {
    const traced = (await traceWatermarks(runtime.database.db, [body.meta.watermark])).get(body.meta.watermark)
    return traced?.source === 'request' ? traced.row.reason : null
  }
  const told: Array<[string, string, RegExp]> = []
  const debug = async (caller: Caller, time: string): Promise<void> => { await operate(runtime, 'key.debug', { key: caller.keyId, for: time }) }

  await t.test('outside production every refusal\'s audit row says it, and its answer does not', async (t) => {
    const caller = await newCaller(runtime)
    const cases: ReadonlyArray<[string, Record<string, string>, string]> = [
      ['mac/query/query_signed', mistaken(caller, (time) => `${time}.GET.${SCENARIOS}?limit=1.`), `${SCENARIOS}?limit=1`],
      ['mac/path/prefix_left_out', mistaken(caller, (time) => `${time}.GET./scenarios.`), SCENARIOS],
      ['mac/method/method_case', mistaken(caller, (time) => `${time}.get.${SCENARIOS}.`), SCENARIOS],
      ['grammar/grammar/time_in_milliseconds', { ...headersFor(caller, 'GET', SCENARIOS), 'x-fb-signature': `t=${Date.now()},v1=${'a'.repeat(64)}` }, SCENARIOS],
      ['grammar/profile/profile_hardened', { ...headersFor(caller, 'GET', SCENARIOS), 'x-fb-signature': `t=1800000000,n=nonce-0123456789,v2=${'a'.repeat(64)}` }, SCENARIOS]
    ]
    for (const [reason, headers, target] of cases) {
      const answer = await send(url, 'GET', target, headers)
      t.same(answer.body, { ok: false, error: 'Invalid request signature', code: 'signature_invalid', meta: answer.body.meta }, reason)
      t.equal(await reasonOf(answer), reason)
      told.push([answer.body.meta.watermark, reason.split('/')[2] ?? '', /^[A-Z].*\.$/])
    }
    const body = JSON.stringify({ b: 1, a: 'ü' })
    const serialised = mistaken(caller, (time) => `${time}.POST.${P}/evaluate.{"b": 1, "a": "\\u00fc"}`)
    t.equal(await reasonOf(await send(url, 'POST', `${P}/evaluate`, { ...serialised, 'content-type': 'application/json' }, body)), 'mac/body/body_serialised_again')
    const late = { ...headersFor(caller, 'GET', SCENARIOS), 'x-fb-signature': `t=${Math.floor(Date.now() / 1000) - 7200},v1=${'a'.repeat(64)}` }
    t.match(await reasonOf(await send(url, 'GET', SCENARIOS, late)), /^clock\/clock\/clock_time_zone:-\d+$/)
  })

  await t.test('in production only the check is told, unless the key is being debugged', async (t) => {
    const caller = await newCaller(runtime)
    const ask = (): Promise<Answer> => send(production, 'GET', SCENARIOS, mistaken(caller, (time) => `${time}.GET./scenarios.`))
    const silent = await ask()
    t.equal(await reasonOf(silent), 'mac')
    told.push([silent.body.meta.watermark, '', /fb key debug key_/])
    await debug(caller, '30m')
    t.equal(await reasonOf(await ask()), 'mac/path/prefix_left_out', 'at once, although the record from before is cached')
    await debug(caller, 'off')
    t.equal(await reasonOf(await ask()), 'mac')
    for (const time of ['25h', 'soon', undefined]) await t.rejects(operate(runtime, 'key.debug', { key: caller.keyId, for: time }), { name: 'OperationError', kind: 'usage' })
  })

  await t.test('a partner in production sees the two published sentences only, debugged or not, whatever differs', async (t) => {
    const admin = await newCaller(runtime, { permissions: ['admin'] })
    await debug(admin, '30m')
    const seen = new Set<string>()
    const keep = ({ status, headers, body }: Answer): void => {
      t.equal(status, 403)
      t.same(Object.keys(body), ['ok', 'error', 'code', 'meta'])
      t.same(Object.keys(body.meta), ['watermark'])
      seen.add(body.error)
      t.notMatch(JSON.stringify([...headers]), /query_signed|prefix_left_out|mistake/)
    }
    keep(await send(production, 'GET', SCENARIOS, { ...HTTPS, authorization: `Bearer ${admin.key}` }))
    for (const make of [(time: number) => `${time}.GET.${SCENARIOS}?x=1.`, (time: number) => `${time}.GET./scenarios.`, (time: number) => `${time}.get.${SCENARIOS}.`, () => 'chance']) keep(await send(production, 'GET', `${SCENARIOS}?x=1`, mistaken(admin, make)))
    for (const header of ['', 'nonsense', `t=1,v1=${'a'.repeat(64)}`, `t=${Date.now()},v1=${'a'.repeat(64)}`, `t=1,n=nonce-0123456789,v2=${'a'.repeat(64)}`]) keep(await send(production, 'GET', SCENARIOS, { ...HTTPS, authorization: `Bearer ${admin.key}`, 'x-fb-signature': header }))
    t.same([...seen].sort(), ['Invalid request signature', 'Missing request signature'])
    const own = await send(production, 'GET', `${P}/requests?status=403`, { ...HTTPS, ...headersFor(admin, 'GET', `${P}/requests`) })
    t.equal(own.status, 200)
    t.ok(own.body.data.requests.length >= 8)
    t.notMatch(JSON.stringify(own.body), /reason|mac\/|prefix_left_out/, 'not in the organization\'s own list either')
  })

  await t.test('a hardened key is explained by its own profile', async (t) => {
    const org = await operate(runtime, 'org.create', { name: 'H' })
    const { id, key, signing_secret: secret } = await operate(runtime, 'key.create', { org: org.id, name: 'h', permissions: ['admin'], signing_profile: 'hardened' })
    const caller = { orgId: org.id, keyId: id, key }
    const target = `${P}/requests?limit=1`
    const ask = async (header: string): Promise<string | null> => reasonOf(await send(url, 'GET', target, { authorization: `Bearer ${key}`, 'x-fb-signature': header }))
    t.equal(await ask(signHardened({ secret, method: 'GET', target: `${P}/requests` })), 'mac/query/query_left_out')
    t.equal(await ask(headersFor(caller, 'GET', target)['x-fb-signature'] ?? ''), 'grammar/profile/profile_published')
    const keyed = (text: string): string => text.replace(/v2=.*/, `v2=${createHmac('sha256', key).update(`v2.${/t=(\d+)/.exec(text)?.[1] ?? ''}.${/n=([^,]+)/.exec(text)?.[1] ?? ''}.GET.${target}.e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855`).digest('hex')}`)
    t.equal(await ask(keyed(signHardened({ secret, method: 'GET', target }))), 'mac/key/api_key_for_secret')
    await send(url, 'GET', target, { authorization: `Bearer ${key}`, 'x-fb-signature': signHardened({ secret, method: 'GET', target }) })
    await operate(runtime, 'key.rotate-signing-secret', { key: id, grace: 'none' })
    t.equal(await ask(signHardened({ secret, method: 'GET', target })), 'rotated/key/rotated')
  })

  await t.test('a flood of refusals is explained a few times a second only', async (t) => {
    const caller = await newCaller(runtime)
    const answers = await Promise.all(Array.from({ length: 40 }, () => send(url, 'GET', SCENARIOS, mistaken(caller, () => 'chance'))))
    const reasons = await Promise.all(answers.map(reasonOf))
    t.ok(reasons.filter((reason) => reason === 'mac/unknown/busy').length >= 10, reasons.join(' '))
  })

  await t.test('fb doctor reads a watermark', async (t) => {
    const caller = await newCaller(runtime)
    const fine = await call(url, caller, 'GET', '/scenarios')
    const unsigned = await send(url, 'GET', SCENARIOS, { authorization: `Bearer ${caller.key}` })
    told.push([unsigned.body.meta.watermark, 'header_absent', /every request/])
    await runtime.close()
    const run = (watermark: string): { status: number | null, answer: any } => {
      const { status, stdout, stderr } = spawnSync(process.execPath, [FB, 'doctor', watermark, '--json'], { encoding: 'utf8', env: { PATH: process.env['PATH'] ?? '', ...stores.env } })
      t.notMatch(stderr, caller.key)
      return { status, answer: JSON.parse(stdout) }
    }
    for (const [watermark, mistake, advice] of told) t.match(run(watermark), { status: 1, answer: { verdict: 'refused', mistakes: mistake === '' ? [] : [mistake], advice } }, mistake)
    t.match(run(fine.body.meta.watermark), { status: 0, answer: { verdict: 'right', advice: /answered with 200/ } })
  })
})
