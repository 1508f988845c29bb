/** Makes the scripts of `lib/` commands of a connection. ioredis sends EVALSHA and loads a script again when the server has lost it. */
import type { Result } from 'ioredis'
import { ADMIT_SCRIPT } from '../lib/sliding-window.lua.ts'
import { GIVE_BACK_SCRIPT, TAKE_SCRIPT } from '../lib/single-use-token.lua.ts'
import type { RedisClient } from './redis-connection.ts'

declare module 'ioredis' {
  interface RedisCommander<Context> {
    fbAdmit (epochKey: string, ringKey: string, replayKey: string, epoch: string, proposedEpoch: string, perMinute: number, perHour: number, replayTtlSeconds: number, mode: 'admit' | 'read', admittedAlone: Buffer | string): Result<unknown, Context>
    fbTake (key: string, taker: string): Result<unknown, Context>
    fbGiveBack (key: string, taker: string): Result<unknown, Context>
  }
}

const scripted = new WeakSet<RedisClient>()

/** Once per connection. */
export function defineScripts (redis: RedisClient): void {
  if (scripted.has(redis)) return
  scripted.add(redis)
  redis.defineCommand('fbAdmit', { lua: ADMIT_SCRIPT, numberOfKeys: 3 })
  redis.defineCommand('fbTake', { lua: TAKE_SCRIPT, numberOfKeys: 1 })
  redis.defineCommand('fbGiveBack', { lua: GIVE_BACK_SCRIPT, numberOfKeys: 1 })
}
