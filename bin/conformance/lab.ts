/** What attacks are made with: requests that are signed rightly or wrongly, keys in turn, and a record of every answer for the last cases. */
import { randomInt } from 'node:crypto'
import { signHardened } from '../../plugins/lib/hardened-signature.ts'
import { signRequest } from '../../plugins/lib/hmac.ts'
import type { Need } from './definition.ts'
import type { Key, Settings } from './inputs.ts'
import { Pace } from './pace.ts'
import { say, type Answer, type Conversation, type SayOptions } from './wire.ts'

const RETRIES_MAX = 3
const RETRY_SECONDS_MAX = 65
/** A write may be signed so long ago: well within the tolerance. */
const SECONDS_BACK_MAX = 240
/** With these a runtime refuses by itself what it cannot read. */
const RUNTIME_STATUSES = new Set([400, 405, 408, 413, 414, 417, 431, 505])
const POLL_MS = 200
const POLLS_MAX = 50

export interface Asked {
  /** Default GET. */
  method?: string
  /** Default the signed GET's path. */
  path?: string
  /** Default the first key; null asks without credentials. */
  key?: Key | null
  /** False sends no signature; otherwise what is signed in place of what is sent. `header` replaces the whole header. Default honest, now. */
  sign?: false | { method?: string, path?: string, body?: string, key?: string, secondsOff?: number, atSeconds?: number, header?: string }
  /** Header lines as they are sent, after the credentials. */
  headers?: readonly string[]
  body?: string | Buffer
  /** Default application/json where there is a body; null sends none. */
  contentType?: string | null
  /** Sends the body in chunks. Default false: with its length. */
  isChunked?: boolean
  /** Host header; null sends none. Default the target's. */
  host?: string | null
  version?: string
  /** Default the target. */
  to?: URL
}

export interface Recorded {
  method: string
  answer: Answer
  /** What was sent was perhaps no request, so that the answer may be the runtime's own. */
  isPerhapsRuntimes: boolean
}

export class Lab {
  readonly settings: Settings
  readonly pace: Pace
  /** Every final answer of the run. */
  readonly recorded: Recorded[] = []
  /** Result tokens that are still unused. */
  readonly tokens: string[]
  /** Path of a record of another organization. */
  foreignPath: string | null
  /** Set while what is sent is meant to be no proper request. */
  isBreakingFrames = false
  readonly #blanks = randomInt(2 ** 32).toString(2).padStart(32, '0').replaceAll('0', ' ').replaceAll('1', '\t')
  /** Seconds at which writes were signed. */
  readonly #signedAt = new Set<number>()

  constructor (settings: Settings, pace = new Pace()) {
    this.settings = settings
    this.pace = pace
    this.tokens = [...settings.resultTokens]
    this.foreignPath = settings.foreignPath
  }

  get firstKey (): Key | null { return this.settings.keys[0] ?? null }
  get getPath (): string { return this.settings.paths.path ?? '/' }
  get postPath (): string { return this.settings.paths.postPath ?? '/' }
  get openPath (): string { return this.settings.paths.openPath ?? '/' }

  /** The body of the signed POST, with changes; laid out as in no other run, or a run soon after another one would be full of replays. */
  postBody (changes: object = {}): string {
    return JSON.stringify({ ...this.settings.postBody, ...changes }).replace('{', `{${this.#blanks}`)
  }

  named (name: keyof Settings['named']): Key {
    const key = this.settings.named[name]
    if (key === undefined) throw new Error(`no ${name} key`)
    return key
  }

  /** One request over a connection of its own. Null when the connection ended without an answer. */
  async ask (asked: Asked = {}): Promise<Answer | null> {
    const attempt = async (): Promise<Answer | null> => (await this.say(this.bytes(asked), { isHead: asked.method === 'HEAD' }, asked)).answers[0] ?? null
    const { limited } = this.settings.named
    return limited !== undefined && asked.key === limited ? await attempt() : await this.patiently(attempt)
  }

  /** Asks again when the address has failed too often, which is no judgement on what was asked: such a 429 tells of no key's window. */
  async patiently (attempt: () => Promise<Answer | null>): Promise<Answer | null> {
    for (let retries = 0; ; retries++) {
      const answer = await attempt()
      const seconds = Number(answer?.headers['retry-after'])
      if (answer?.status !== 429 || answer.headers['x-ratelimit-limit'] !== undefined || !(seconds <= RETRY_SECONDS_MAX) || retries === RETRIES_MAX) return answer
      await this.pace.wait(seconds)
    }
  }

  /** Like `ask`, for a request that will be admitted: with a key that has quota left, again when it is told to wait. */
  async admit (asked: Asked = {}): Promise<Answer | null> {
    for (let retries = 0; ; retries++) {
      const key = asked.key === undefined ? await this.#next() : asked.key
      if (asked.key !== undefined && asked.key !== null) await this.pace.take([asked.key.key])
      const isWrite = asked.method !== undefined && asked.method !== 'GET'
      const sign = asked.sign ?? (isWrite ? { atSeconds: this.#freeSecond() } : {})
      const answer = await this.ask({ ...asked, key, sign })
      const seconds = Number(answer?.headers['retry-after'])
      if (key !== null) this.pace.learn(key.key, Number(answer?.headers['x-ratelimit-limit']))
      if (answer?.status !== 429 || !(seconds <= RETRY_SECONDS_MAX) || retries === RETRIES_MAX) return answer
      await this.pace.wait(seconds)
    }
  }

  /** Bytes over a connection of their own. */
  async say (bytes: Buffer, options: SayOptions = {}, { method = 'GET', to }: Pick<Asked, 'method' | 'to'> = {}): Promise<Conversation> {
    const conversation = await say(to ?? this.settings.target, bytes, options)
    for (const answer of conversation.answers) this.recorded.push({ method, answer, isPerhapsRuntimes: this.isBreakingFrames && RUNTIME_STATUSES.has(answer.status) })
    return conversation
  }

  bytes (asked: Asked = {}): Buffer {
    const { method = 'GET', path = this.getPath, headers = [], version = 'HTTP/1.1', host = this.settings.target.host, isChunked = false } = asked
    const body = asked.body === undefined ? null : Buffer.from(asked.body)
    const contentType = asked.contentType === undefined ? 'application/json' : asked.contentType
    const lines = [
      `${method} ${path} ${version}`,
      ...(host === null ? [] : [`Host: ${host}`]),
      ...this.credentials(asked),
      ...(body === null || contentType === null ? [] : [`Content-Type: ${contentType}`]),
      ...(body === null ? [] : [isChunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${body.length}`]),
      ...headers
    ]
    const head = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1')
    if (body === null) return head
    return isChunked ? Buffer.concat([head, Buffer.from(`${body.length.toString(16)}\r\n`), body, Buffer.from('\r\n0\r\n\r\n')]) : Buffer.concat([head, body])
  }

  /** Header lines that say who calls. */
  credentials (asked: Asked = {}): string[] {
    const key = asked.key === undefined ? this.firstKey : asked.key
    if (asked.key === null) return []
    if (key === null) return this.settings.callerLines
    const bearer = `Authorization: Bearer ${key.key}`
    if (asked.sign === false) return [bearer]
    return [bearer, `X-FB-Signature: ${asked.sign?.header ?? this.signature(key, asked)}`]
  }

  /** The signature header of a request; what `sign` names in place of what is sent. */
  signature (key: Key, { method = 'GET', path = this.getPath, body = '', sign }: Asked): string {
    const changes = sign === false ? {} : sign ?? {}
    const signedBody = changes.body === undefined ? Buffer.from(body) : Buffer.from(changes.body)
    const timestampSeconds = changes.atSeconds ?? Math.floor(Date.now() / 1000) + (changes.secondsOff ?? 0)
    const signedMethod = changes.method ?? method
    const signedPath = changes.path ?? path
    if (key.secret !== null) return signHardened({ secret: key.secret, timestampSeconds, method: signedMethod, target: signedPath, body: signedBody })
    return signRequest({ key: changes.key ?? key.key, timestampSeconds, method: signedMethod, path: signedPath, body: signedBody })
  }

  /** Why a case cannot run that needs this, or null. */
  lacks (need: Need): boolean {
    const { named, keys, paths, killedTarget, plainTarget, target } = this.settings
    switch (need) {
      case 'another key': return keys.length < 2
      case 'a key of another organization': return named.foreign === undefined
      case 'a key without the permission to write': return named.read === undefined || paths.postPath === null
      case 'an admin key': return named.admin === undefined
      case 'a key whose quota may be used up': return named.limited === undefined
      case 'a key that may not call from here': return named.elsewhere === undefined
      case 'a revoked key': return named.revoked === undefined
      case 'a suspended key': return named.suspended === undefined
      case 'an expired key': return named.expired === undefined
      case 'a canary key': return named.canary === undefined
      case 'a hardened key': return named.hardened === undefined
      case 'a result token': return this.tokens.length < 1 || paths.tokenPath === null
      case 'a second result token': return this.tokens.length < 2 || paths.tokenPath === null
      case 'a record of another organization': return this.foreignPath === null
      case 'a signed POST': return paths.postPath === null
      case 'an open route': return paths.openPath === null
      case 'an instance that is switched off': return killedTarget === null
      case 'a production listener without TLS': return plainTarget === null
      case 'a target that speaks TLS': return target.protocol !== 'https:'
    }
  }

  /** Gets what attacks on results and on records of others begin with, from services whose POST gives it. */
  async prepare (): Promise<void> {
    const { parts, named, paths } = this.settings
    if (paths.postPath === null || paths.recordPath === null) return
    if (parts.has('result-tokens')) {
      while (this.tokens.length < 2) {
        const made = await this.#submit(undefined)
        if (made?.token === undefined) break
        await this.#complete(made.id)
        this.tokens.push(made.token)
      }
    }
    if (this.foreignPath === null && named.foreign !== undefined && parts.has('org-scope')) {
      const made = await this.#submit(named.foreign)
      if (made !== null) this.foreignPath = paths.recordPath.replace('{id}', made.id)
    }
  }

  async #submit (key: Key | undefined): Promise<{ id: string, token?: string } | null> {
    const answer = await this.admit({ method: 'POST', path: this.postPath, body: this.postBody(), ...(key === undefined ? {} : { key }) })
    const data = answer?.body?.['data']
    if (typeof data !== 'object' || data === null) return null
    const { evaluation_id: evaluationId, id = evaluationId, result_token: token } = data as Record<string, unknown>
    if (typeof id !== 'string') return null
    return typeof token === 'string' ? { id, token } : { id }
  }

  async #complete (id: string): Promise<void> {
    const path = this.settings.paths.recordPath?.replace('{id}', id) ?? ''
    for (let polls = 0; polls < POLLS_MAX; polls++) {
      const answer = await this.admit({ path })
      const data = answer?.body?.['data'] as Record<string, unknown> | undefined
      if (data?.['status'] !== 'pending' && data?.['status'] !== 'processing') return
      await new Promise((resolve) => { setTimeout(resolve, POLL_MS) })
    }
  }

  /** The latest second at which nothing was signed yet: of two writes with the same bytes and time the second would be a replay. */
  #freeSecond (): number {
    const now = Math.floor(Date.now() / 1000)
    let at = now
    while (this.#signedAt.has(at) && at > now - SECONDS_BACK_MAX) at--
    this.#signedAt.add(at)
    return at
  }

  async #next (): Promise<Key | null> {
    const { keys } = this.settings
    const [first, ...more] = keys
    if (first === undefined) return null
    const taken = await this.pace.take([first.key, ...more.map(({ key }) => key)])
    return keys.find(({ key }) => key === taken) ?? first
  }
}
