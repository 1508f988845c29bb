/** Fastify and the answer, nothing else; with ROUND_TRIP=redis also one Redis command a request, sent as the chain sends its own. */
import fastify from 'fastify'
import { connectRedis, whenReady } from '../../plugins/support/redis.ts'
import { PUBLIC_PREFIX } from '../../app.ts'
import { benchRoutes } from './answer.ts'
import { serve } from './serve.ts'

await serve(async () => {
  const app = fastify({ logger: false, exposeHeadRoutes: false })
  if (process.env['ROUND_TRIP'] === 'redis') {
    const redis = connectRedis(process.env['REDIS_URL'] ?? 'redis://127.0.0.1:6379')
    await whenReady(redis)
    app.addHook('preParsing', async (_request, _reply, payload) => {
      await redis.get('bench:nothing')
      return payload
    })
  }
  await app.register(benchRoutes, { prefix: PUBLIC_PREFIX })
  return app
})
