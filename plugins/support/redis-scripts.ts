/** The scripts of `lib/` on a connection. A script is sent by its digest, and whole to a server that does not have it: that one has done nothing yet. */
import { createHash } from 'node:crypto'
import type { Result } from 'ioredis'
import { ADMIT_SCRIPT } from '../lib/sliding-window.lua.ts'
import { GIVE_BACK_SCRIPT, TAKE_SCRIPT } from '../lib/single-use-token.lua.ts'
import type { RedisClient } from './redis-connection.ts'

declare module 'ioredis' {
  interface RedisCommander<Context> {
    fbTake (key: string, taker: string): Result<unknown, Context>
    fbGiveBack (key: string, taker: string): Result<unknown, Context>
  }
}

const ADMIT_SHA = createHash('sha1').update(ADMIT_SCRIPT).digest('hex')

const scripted = new WeakSet<RedisClient>()

/** Makes the scripts that few requests run commands of a connection, once. */
export function defineScripts (redis: RedisClient): void {
  if (scripted.has(redis)) return
  scripted.add(redis)
  redis.defineCommand('fbTake', { lua: TAKE_SCRIPT, numberOfKeys: 1 })
  redis.defineCommand('fbGiveBack', { lua: GIVE_BACK_SCRIPT, numberOfKeys: 1 })
}

/**
 * Runs the admission script on its keys and arguments (lib/sliding-window.lua.ts). Every request does, so it is no command of the client's
 * own making: that one copies its arguments three times and makes two promises more.
 */
export function runAdmitScript (redis: RedisClient, keys: readonly string[], args: ReadonlyArray<string | number | Buffer>): Promise<unknown> {
  return redis.evalsha(ADMIT_SHA, keys.length, ...keys, ...args).catch((err: unknown) => {
    if (!(err instanceof Error) || !err.message.startsWith('NOSCRIPT')) throw err
    return redis.eval(ADMIT_SCRIPT, keys.length, ...keys, ...args)
  })
}
