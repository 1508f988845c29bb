/** Signed requests from this process, a few thousand at most: where each answer is looked at, which no load program does. */
import { Agent, request } from 'node:http'
import { PUBLIC_PREFIX } from '../../app.ts'
import { signRequest } from '../../plugins/lib/hmac.ts'
import { BENCH_PATH } from '../servers/answer.ts'

const TIMEOUT_MS = 10_000
const PATH = `${PUBLIC_PREFIX}${BENCH_PATH}`

export interface AskOptions {
  readonly method?: 'GET' | 'POST'
  /** Signs with another key. Default false. */
  readonly isForged?: boolean
  readonly agent?: Agent
}

let asked = 0

/** The status of one answer; rejects when there is none within 10 s. */
export async function ask (url: string, key: string, { method = 'GET', isForged = false, agent }: AskOptions = {}): Promise<number> {
  // No two bodies are equal: a repeated one would be a replay.
  const body = method === 'POST' ? JSON.stringify({ run: `${process.pid}-${Date.now()}`, number: String(asked++), text: '' }) : ''
  const signature = signRequest({ key: isForged ? `${key}0` : key, timestampSeconds: Math.floor(Date.now() / 1000), method, path: PATH, body: Buffer.from(body) })
  const headers = { authorization: `Bearer ${key}`, 'x-fb-signature': signature, ...(body === '' ? {} : { 'content-type': 'application/json', 'content-length': body.length }) }
  return await new Promise((resolve, reject) => {
    const sent = request(url + PATH, { method, headers, timeout: TIMEOUT_MS, ...(agent === undefined ? {} : { agent }) }, (answer) => {
      answer.once('end', () => resolve(answer.statusCode ?? 0))
      answer.once('error', reject)
      answer.resume()
    })
    sent.once('timeout', () => sent.destroy(new Error(`no answer within ${TIMEOUT_MS} ms`)))
    sent.once('error', reject)
    sent.end(body)
  })
}

/** Asks `count` times over kept connections, the keys and the servers in turn; how often each status was answered. */
export async function askMany (urls: readonly string[], keys: readonly string[], count: number, connections: number): Promise<Map<number, number>> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections })
  const statuses = new Map<number, number>()
  let next = 0
  const client = async (): Promise<void> => {
    while (next < count) {
      const nth = next++
      const status = await ask(urls[nth % urls.length] ?? '', keys[nth % keys.length] ?? '', { agent })
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
    }
  }
  try {
    await Promise.all(Array.from({ length: connections }, client))
    return statuses
  } finally {
    agent.destroy()
  }
}
