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

/** EVALSHA of the admission script: the client's own way there copies the arguments three times and looks at each twice. */
class AdmitCommand extends Command {
  /** `args` begins with the script's digest. */
  constructor (args: string[]) {
    super('evalsha', NO_ARGUMENTS, REPLY_OPTIONS)
    this.args = args
  }

  /** An array of bulk strings (Redis serialization protocol), each with its length in bytes before it. */
  override toWritable (): string {
    const { args } = this
    let text = HEADS[args.length] ?? headOf(args.length)
    for (let at = 1; at < args.length; at++) {
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

/** A command of so many arguments up to the script's digest, which is the first of them. */
function headOf (args: number): string {
  return `*${args + 1}${bulkOf(7)}evalsha${bulkOf(ADMIT_SHA.length)}${ADMIT_SHA}`
}

const BULKS = Array.from({ length: 100 }, (_, bytes) => bulkOf(bytes))
const HEADS = Array.from({ length: 16 }, (_, args) => headOf(args))

/** Runs the admission script on its keys and arguments (lib/sliding-window.lua.ts). Every request does. `ages` stands after the others, as bytes. */
export function runAdmitScript (redis: RedisClient, keys: readonly string[], args: readonly string[], ages?: Buffer): Promise<unknown> {
  const all = [ADMIT_SHA, String(keys.length), ...keys, ...args]
  const reply = ages === undefined && isPlain(redis)
    ? redis.sendCommand(new AdmitCommand(all)) as Promise<unknown>
    : redis.evalsha(ADMIT_SHA, String(keys.length), ...keys, ...args, ...(ages === undefined ? [] : [ages]))
  return reply.catch((err: unknown) => {
    if (!(err instanceof Error) || !err.message.startsWith('NOSCRIPT')) throw err
    return redis.eval(ADMIT_SCRIPT, String(keys.length), ...keys, ...args, ...(ages === undefined ? [] : [ages]))
  })
}

/** One server, and no more to be done to a command than to send it: a cluster's client gathers commands by node, a prefix is put before keys. */
function isPlain (redis: RedisClient): redis is Redis {
  return redis instanceof Redis && !redis.options.keyPrefix
}
