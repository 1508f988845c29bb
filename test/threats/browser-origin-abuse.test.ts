import t from 'tap'
import { front, onEachStore, P, sendRaw, stateRows, submit, judge } from '../helper/fronts.ts'
import { FLOW, headersFor, newCaller, send, start, type Answer } from '../helper/service.ts'

const ROUTES = ['/governance/health', '/governance/policies', '/evaluate', '/evaluations/req_x', '/results/x', '/scenarios', '/scenarios/scn_x/results', '/webhooks', '/nothing/here']
const ORIGINS = ['https://partner.example', 'http://localhost:3000', 'null', 'https://flowbeacon.example', 'chrome-extension://abc']

await onEachStore(t, 'browser-origin abuse: no page can use the API, whatever it knows', async (t, stores) => {
  const { runtime, url } = await start(stores, { RUN_WORKER: 'false' })
  t.teardown(() => runtime.close())
  const noCors = (answer: Answer): string[] => [...answer.headers.keys()].filter((name) => name.startsWith('access-control-') || name === 'timing-allow-origin' || name === 'set-cookie')
  const preflight = async (path: string, origin: string, extra: Record<string, string> = {}): Promise<Answer> =>
    await sendRaw(url, { method: 'OPTIONS', path, headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization,x-fb-signature,content-type', ...extra } })

  await t.test('every pre-flight is refused on every route and outside the surface, so the page\'s own request is never sent', async (t) => {
    for (const path of [...ROUTES.map((route) => P + route), '/', '/elsewhere', '*']) {
      for (const origin of ORIGINS) {
        const answer = await preflight(path, origin)
        if (path === '*') {
          // The asterisk form has no path (RFC 9112 section 3.2.4).
          t.ok(answer.status >= 400)
          continue
        }
        t.equal(answer.status, 403, `${path} from ${origin}`)
        t.match(answer.body, { ok: false, code: 'browser_refused', error: 'Browser requests are not allowed' })
        t.same(noCors(answer), [])
      }
    }
    for (const extra of [{ 'access-control-request-private-network': 'true' }, { 'sec-fetch-mode': 'cors', 'sec-fetch-site': 'cross-site' }]) t.equal((await preflight(`${P}/evaluate`, 'https://a.example', extra)).status, 403)
    const caller = await newCaller(runtime)
    const signed = await sendRaw(url, { method: 'OPTIONS', path: `${P}/evaluate`, headers: { ...headersFor(caller, 'OPTIONS', `${P}/evaluate`), origin: 'https://a.example' } })
    t.match(signed.body, { code: 'browser_refused' }, 'with a good key too')
  })

  await t.test('a request that needs no pre-flight carries no key: it is a stranger\'s, and writes nothing', async (t) => {
    const rows = await stateRows(runtime)
    const body = JSON.stringify({ blueprints: [{ id: 'a', blueprint: FLOW }] })
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'text/plain; charset=utf-8']) {
      const answer = await send(url, 'POST', `${P}/evaluate`, { origin: 'https://a.example', 'content-type': type, cookie: '__Secure-next-auth.session-token=x; session=1', 'sec-fetch-site': 'cross-site' }, body)
      t.match(answer.body, { code: 'invalid_api_key' }, type)
      t.same(noCors(answer), [])
    }
    const beacon = await send(url, 'POST', `${P}/evaluate`, { origin: 'null', 'content-type': 'text/plain' }, body)
    t.equal(beacon.status, 401)
    t.same(await stateRows(runtime), rows)
  })

  await t.test('even a signed body is not read as JSON under a type that a form could send', async (t) => {
    const rows = await stateRows(runtime)
    const body = JSON.stringify({ blueprints: [{ id: 'a', blueprint: FLOW }] })
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'application/json; charset=utf-16', 'application/json, text/plain', 'application/jsonp']) {
      const caller = await newCaller(runtime)
      const answer = await send(url, 'POST', `${P}/evaluate`, { ...headersFor(caller, 'POST', `${P}/evaluate`, body), 'content-type': type }, body)
      t.match(answer.body, { code: 'unsupported_media_type' }, type)
    }
    t.same(await stateRows(runtime), rows)
  })

  await t.test('no answer, good or bad, lets a page read it, keep it or guess its type', async (t) => {
    const caller = await newCaller(runtime, { rpm: 1000 })
    const { id, token } = await submit(url, caller)
    await judge(runtime, id)
    const disabled = await front(t, runtime, { enabled: false })
    const path = `${P}/scenarios`
    for (const origin of ORIGINS) {
      const headers = { origin, 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'cors' }
      const answers = [await send(url, 'GET', path, { ...headersFor(caller, 'GET', path), ...headers }), await send(url, 'GET', `${P}/governance/health`, headers), await send(url, 'GET', path, headers),
        await send(url, 'GET', `${P}/results/${token}`, headers), await send(url, 'GET', '/', headers), await send(disabled, 'GET', path, headers)]
      for (const answer of answers) {
        t.same(noCors(answer), [])
        t.equal(answer.headers.get('x-content-type-options'), 'nosniff')
        t.match(answer.headers.get('content-type'), /^application\/json/)
        t.equal(answer.headers.get('cache-control'), 'no-store')
      }
    }
  })
})
