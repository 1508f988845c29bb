import { randomBytes } from 'node:crypto'
import { Redis } from 'ioredis'
import type t from 'tap'
import { closeRedis, connectRedis, whenReady } from '../../plugins/support/redis.ts'

type Tap = Pick<typeof t, 'teardown' | 'comment'>

export interface TestRedis { readonly url: string, readonly redis: Redis, readonly prefix: string }

/** A real server and a key prefix of the test's own, removed at teardown; null when no server answers. Nothing is flushed. */
export async function testRedis (t: Tap): Promise<TestRedis | null> {
  const url = process.env['TEST_REDIS_URL'] ?? 'redis://127.0.0.1:6379'
  const redis = connectRedis(url)
  if (!(redis instanceof Redis)) throw new Error('TEST_REDIS_URL must name one server')
  if (!await whenReady(redis)) {
    redis.disconnect()
    t.comment('stores: no Redis answers; set TEST_REDIS_URL')
    return null
  }
  const prefix = `fbtest-${randomBytes(6).toString('hex')}`
  t.comment('stores: Redis')
  t.teardown(async () => {
    const keys = await keysOf(redis, prefix)
    if (keys.length > 0) await redis.del(...keys)
    await closeRedis(redis)
  })
  return { url, redis, prefix }
}

export async function keysOf (redis: Redis, prefix: string): Promise<string[]> {
  const keys: string[] = []
  for await (const found of redis.scanStream({ match: `${prefix}:*`, count: 1000 })) keys.push(...found as string[])
  return keys
}

// A key's value as it is held, whatever its type, as bytes one after the other.
export async function contentOf (redis: Redis, key: string): Promise<string> {
  const parts = async (): Promise<Array<Buffer | null>> => {
    switch (await redis.type(key)) {
      case 'string': return [await redis.getBuffer(key)]
      case 'hash': return Object.entries(await redis.hgetallBuffer(key)).flatMap(([field, value]) => [Buffer.from(field), value])
      case 'set': return await redis.smembersBuffer(key)
      case 'zset': return await redis.zrangeBuffer(key, 0, '-1')
      case 'list': return await redis.lrangeBuffer(key, 0, -1)
      // Gone since it was listed, or a type that nothing of ours uses.
      default: return [await redis.dumpBuffer(key)]
    }
  }
  return (await parts()).map((part) => part?.toString('latin1') ?? '').join(' ')
}
