import t from 'tap'
import watermark from '../../plugins/watermark.ts'
import { ApiError } from '../../errors.ts'
import { mintWatermark, verifyWatermark, watermarkTime } from '../../plugins/lib/watermark-id.ts'
import { bareApp, collectingSink, leavePrincipal, NOW_MS, principal, route, SECRET } from '../helper/bare.ts'

t.test('marks every answer, refusals and unknown routes included, in header and envelope alike', async (t) => {
  const audit = collectingSink()
  const app = await bareApp()
  await app.register(watermark, { secret: SECRET, audit })
  leavePrincipal(app, principal())
  route(app)
  app.get('/refused', async () => { throw new ApiError('not_found') })
  app.get('/empty', async (_request, reply) => reply.code(304).send())
  const marks = new Set<string>()
  for (const url of ['/thing', '/refused', '/empty', '/unknown']) {
    const answer = await app.inject(url)
    const mark = String(answer.headers['x-fb-watermark'])
    t.ok(verifyWatermark(mark, SECRET), url)
    if (url === '/thing' || url === '/refused') t.equal(answer.json().meta.watermark, mark, url)
    t.equal(answer.headers['cache-control'], 'no-store')
    t.equal(answer.headers['x-content-type-options'], 'nosniff')
    marks.add(mark)
  }
  t.equal(marks.size, 4)
  for (const row of audit.rows) t.ok(marks.has(row.watermark))
})

t.test('the row is durable before the answer leaves', async (t) => {
  let durable = false
  const app = await bareApp()
  await app.register(watermark, {
    secret: SECRET,
    audit: {
      record: async () => {
        await new Promise((resolve) => setImmediate(resolve))
        durable = true
      }
    }
  })
  leavePrincipal(app, principal())
  route(app)
  await app.inject('/thing')
  t.ok(durable)
})

t.test('withholds an answer that could not be recorded, and gives back what it had spent', async (t) => {
  let givenBack = 0
  const app = await bareApp()
  await app.register(watermark, { secret: SECRET, audit: { record: async () => { throw new Error('away') } } })
  leavePrincipal(app, principal())
  app.get('/thing', { config: { access: 'key' } }, async (request) => {
    request.onUnsent = async () => { givenBack++ }
    return { ok: true, data: { secret: 'result' } }
  })
  const answer = await app.inject('/thing')
  t.equal(answer.statusCode, 503)
  t.equal(answer.json().code, 'unavailable')
  t.notMatch(answer.body, /result/)
  t.equal(answer.headers['retry-after'], '2')
  t.equal(answer.json().meta.watermark, answer.headers['x-fb-watermark'])
  t.equal(givenBack, 1)
})

t.test('a refusal before authentication is counted, not stored', async (t) => {
  const audit = collectingSink()
  const counted: string[] = []
  const app = await bareApp()
  await app.register(watermark, { secret: SECRET, audit, refusals: { count: (refusal) => { counted.push(refusal.code) } } })
  app.get('/thing', async () => { throw new ApiError('invalid_api_key') })
  await app.inject('/thing')
  t.same(audit.rows, [])
  t.same(counted, ['invalid_api_key'])
})

t.test('a watermark proves itself, and no change of it does', async (t) => {
  const mark = mintWatermark(SECRET, NOW_MS)
  t.match(mark, /^wm_[0-9a-z]{36}$/)
  t.ok(verifyWatermark(mark, SECRET))
  t.equal(watermarkTime(mark), NOW_MS)
  t.notOk(verifyWatermark(mark, Buffer.alloc(32, 8)))
  for (let place = 3; place < mark.length; place++) {
    const changed = mark.slice(0, place) + (mark[place] === 'a' ? 'b' : 'a') + mark.slice(place + 1)
    t.notOk(verifyWatermark(changed, SECRET))
  }
})

t.test('keeps no more than the beginning of a secret that a client put into its user agent', async (t) => {
  const audit = collectingSink()
  const app = await bareApp()
  await app.register(watermark, { secret: SECRET, audit })
  leavePrincipal(app, principal())
  route(app)
  const secrets = [`fb_live_${'0123456789abcdef'.repeat(3)}`, `whsec_${'ab'.repeat(24)}`, `fbs_${'cd'.repeat(32)}`, 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl']
  for (const secret of secrets) await app.inject({ url: '/thing', headers: { 'user-agent': `client ${secret}` } })
  t.equal(audit.rows.length, secrets.length)
  for (const [at, { userAgent }] of audit.rows.entries()) {
    t.match(userAgent, /^client \S{3,12}\.\.\.$/)
    t.notMatch(userAgent, secrets[at]?.slice(13) ?? '')
  }
})
