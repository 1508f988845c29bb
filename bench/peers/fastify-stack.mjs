// Fastify with the plugins that its users would reach for: @fastify/bearer-auth, and @fastify/rate-limit on Redis (one fixed window), or
// with LIMITER=flexible rate-limiter-flexible twice (two fixed windows). Leaves out: organization, permission and address checks, replay,
// sliding windows, watermark, audit, immediate revocation.
import bearerAuth from '@fastify/bearer-auth'
import rateLimit from '@fastify/rate-limit'
import fastify from 'fastify'
import { Redis } from 'ioredis'
import { RateLimiterRedis } from 'rate-limiter-flexible'
import { serve } from './serve.mjs'
import { answerFor, BODY_SCHEMA, findKey, isSigned, LIMIT, PATH, RESPONSE_SCHEMA, WINDOW_MS } from './shared.mjs'

await serve(async (port, host) => {
  const app = fastify({ logger: false, exposeHeadRoutes: false })
  const redis = new Redis(process.env.REDIS_URL, { enableAutoPipelining: true })
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, bytes, done) => {
    request.bytes = bytes
    done(null, undefined)
  })
  app.decorateRequest('bytes', null)
  app.decorateRequest('apiKey', null)
  await app.register(bearerAuth, {
    keys: new Set(),
    auth: (key, request) => {
      request.apiKey = findKey(key)
      return request.apiKey !== null
    }
  })
  const parse = app.getDefaultJsonParser('error', 'error')
  app.addHook('preValidation', (request, reply, done) => {
    const path = request.raw.url.split('?')[0]
    if (!isSigned(request.headers['x-fb-signature'], request.apiKey.key, request.method, path, request.bytes ?? Buffer.alloc(0))) return reply.code(403).send({ ok: false })
    if (request.bytes === null) return done()
    parse(request, request.bytes.toString(), (err, body) => {
      request.body = body
      done(err)
    })
  })
  if (process.env.LIMITER === 'flexible') await limitTwice(app, redis)
  else await app.register(rateLimit, { redis, max: (request) => request.apiKey.limit, timeWindow: WINDOW_MS, hook: 'preHandler', keyGenerator: (request) => request.apiKey.id, nameSpace: 'bench-fastify-' })
  app.after(() => {
    const response = { 200: RESPONSE_SCHEMA }
    app.get(PATH, { schema: { response } }, async () => answerFor('0'))
    app.post(PATH, { schema: { body: BODY_SCHEMA, response } }, async (request) => answerFor(request.body.number))
  })
  await app.listen({ port, host })
  return app.server.address().port
})

async function limitTwice (app, redis) {
  const windows = [['minute', 60], ['hour', 3600]].map(([name, duration]) => new RateLimiterRedis({ storeClient: redis, keyPrefix: `bench-flexible-${name}`, points: LIMIT * 100, duration }))
  app.addHook('preHandler', async (request, reply) => {
    const [minute, hour] = await Promise.all(windows.map((window) => window.consume(request.apiKey.id)))
    if (minute.consumedPoints > request.apiKey.limit || hour.consumedPoints > request.apiKey.limit) return reply.code(429).send({ ok: false })
    reply.headers({ 'x-ratelimit-limit': LIMIT, 'x-ratelimit-remaining': Math.min(minute.remainingPoints, hour.remainingPoints), 'x-ratelimit-reset': Math.ceil((Date.now() + minute.msBeforeNext) / 1000) })
  })
}
