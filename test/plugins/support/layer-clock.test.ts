import t from 'tap'
import fastify, { type RequestPayload } from 'fastify'
import { timed, timedWithPayload, timeLayers } from '../../../plugins/support/layer-clock.ts'

t.test('a layer is timed until it lets a request pass, refuses it or throws, of one request in so many', async (t) => {
  const app = fastify()
  const seen: string[] = []
  timeLayers(app, (layer, microseconds, request) => { seen.push(`${request.url} ${layer} ${microseconds >= 0}`) }, 2)
  app.addHook('onRequest', timed(app, 'transport', (request, _reply, done) => { setTimeout(() => done(request.url === '/refused' ? new Error('refused') : undefined), 5) }))
  app.addHook('preParsing', timedWithPayload<RequestPayload>(app, 'signature', (request, _reply, payload, done) => {
    if (request.url === '/thrown') throw new Error('thrown')
    done(null, payload)
  }))
  app.addHook('onSend', timedWithPayload<unknown>(app, 'watermark', (_request, _reply, payload, done) => { done(null, payload) }))
  app.addHook('onResponse', timed(app, 'anomaly-detection', (_request, _reply, done) => { done() }))
  app.get('*', async () => 'answer')
  for (const url of ['/passed', '/not-timed', '/refused', '/not-timed', '/thrown', '/not-timed']) await app.inject(url)
  const atTheEnd = ['watermark true', 'anomaly-detection true']
  t.same(seen, [
    ...['transport true', 'signature true', ...atTheEnd].map((line) => `/passed ${line}`),
    ...['transport true', ...atTheEnd].map((line) => `/refused ${line}`),
    ...['transport true', 'signature true', ...atTheEnd].map((line) => `/thrown ${line}`)
  ])
  t.equal((await app.inject('/passed')).body, 'answer', 'the payload goes on as it came')
})

t.test('the time of a layer that waits is the time it waits', async (t) => {
  const app = fastify()
  const seen: number[] = []
  timeLayers(app, (_layer, microseconds) => { seen.push(microseconds) })
  app.addHook('onRequest', timed(app, 'transport', (_request, _reply, done) => { setTimeout(done, 20) }))
  app.get('/', async () => 'answer')
  await app.inject('/')
  t.ok((seen[0] ?? 0) >= 19_000, `${seen[0]} us`)
})

t.test('without a timer a hook stays what it is, and a wrong number of requests is refused at once', (t) => {
  const app = fastify()
  const hook = (_request: unknown, _reply: unknown, done: () => void) => { done() }
  t.equal(timed(app, 'transport', hook), hook)
  for (const every of [0, 1.5, Number.NaN]) t.throws(() => timeLayers(app, () => {}, every), { message: 'layers: timeEvery must be a positive whole number' })
  t.end()
})
