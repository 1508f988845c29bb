// Express 5 with express-rate-limit twice (two fixed windows) on rate-limit-redis. Leaves out what the Fastify stack leaves out, and
// validation by schema.
import express from 'express'
import { rateLimit } from 'express-rate-limit'
import { Redis } from 'ioredis'
import { RedisStore } from 'rate-limit-redis'
import { serve } from './serve.mjs'
import { answerFor, findKey, isSigned, PATH, WINDOW_MS } from './shared.mjs'

await serve(async (port, host) => {
  const redis = new Redis(process.env.REDIS_URL, { enableAutoPipelining: true })
  const app = express()
  app.disable('x-powered-by')
  app.use(express.raw({ type: 'application/json', limit: '10mb' }))
  app.use((request, response, next) => {
    const key = findKey(/^Bearer (\S+)$/.exec(request.headers.authorization ?? '')?.[1] ?? '')
    if (key === null) return response.status(401).json({ ok: false })
    const bytes = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0)
    if (!isSigned(request.headers['x-fb-signature'], key.key, request.method, request.path, bytes)) return response.status(403).json({ ok: false })
    request.apiKey = key
    request.json = bytes.length === 0 ? null : JSON.parse(bytes.toString())
    next()
  })
  for (const [name, windowMs] of [['minute', 60_000], ['hour', WINDOW_MS]]) app.use(limiter(redis, name, windowMs))
  app.get(PATH, (_request, response) => response.json(answerFor('0')))
  app.post(PATH, (request, response) => response.json(answerFor(request.json.number)))
  return await new Promise((resolve) => {
    const server = app.listen(port, host, () => resolve(server.address().port))
  })
})

function limiter (redis, name, windowMs) {
  return rateLimit({
    windowMs,
    limit: (request) => request.apiKey.limit,
    keyGenerator: (request) => request.apiKey.id,
    standardHeaders: 'draft-8',
    legacyHeaders: false,
    identifier: name,
    store: new RedisStore({ prefix: `bench-express-${name}:`, sendCommand: (command, ...args) => redis.call(command, ...args) })
  })
}
