/** The scripts of `lib/` on a connection. A script is sent by its digest, and whole to a server that does not have it: that one has done nothing yet. */
import { createHash } from 'node:crypto'
import { Command, Redis, type Result } from 'ioredis'
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

const NO_ARGUMENTS: string[] = []
const REPLY_OPTIONS = { replyEncoding: 'utf8' } as const

/** EVALSHA with arguments that are texts already: the client's own way there copies them three times and looks at each twice. */
class EvalshaCommand extends Command {
  constructor (args: string[]) {
    super('evalsha', NO_ARGUMENTS, REPLY_OPTIONS)
    this.args = args
  }

  /** An array of bulk strings (Redis serialization protocol), each with its length in bytes before it. */
  override toWritable (): string {
    const { args } = this
    let text = `*${args.length + 1}${BULKS[7]}evalsha`
    for (let at = 0; at < args.length; at++) {
      const arg = args[at] as string
      const bytes = Buffer.byteLength(arg)
      text += (BULKS[bytes] ?? bulkOf(bytes)) + arg
    }
    return `${text}\r\n`
  }
}

/** What stands before a bulk string of so many bytes. */
function bulkOf (bytes: number): string {
  return `\r\n$${bytes}\r\n`
}

const BULKS = Array.from({ length: 100 }, (_, bytes) => bulkOf(bytes))

/** Runs the admission script on its keys and arguments (lib/sliding-window.lua.ts). Every request does. `ages` stands after the others, as bytes. */
export function runAdmitScript (redis: RedisClient, keys: readonly string[], args: readonly string[], ages?: Buffer): Promise<unknown> {
  const numberOfKeys = String(keys.length)
  const reply = ages === undefined && isPlain(redis)
    ? redis.sendCommand(new EvalshaCommand([ADMIT_SHA, numberOfKeys, ...keys, ...args])) as Promise<unknown>
    : redis.evalsha(ADMIT_SHA, numberOfKeys, ...keys, ...args, ...(ages === undefined ? [] : [ages]))
  return reply.catch((err: unknown) => {
    if (!(err instanceof Error) || !err.message.startsWith('NOSCRIPT')) throw err
    return redis.eval(ADMIT_SCRIPT, numberOfKeys, ...keys, ...args, ...(ages === undefined ? [] : [ages]))
  })
}

/** One server, and no more to be done to a command than to send it: a cluster's client gathers commands by node, a prefix is put before keys. */
function isPlain (redis: RedisClient): redis is Redis {
  return redis instanceof Redis && !redis.options.keyPrefix
}
