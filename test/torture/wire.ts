import { request } from 'node:http'
import { signRequest } from '../../plugins/lib/hmac.ts'
import type { Completion } from './history.ts'
import type { Organization } from './organizations.ts'
import type { Member } from './world.ts'

export const PREFIX = '/api/public/v1'
const DEADLINE_MS = 12_000

export interface Sent { readonly method: string, readonly path: string, readonly headers: Record<string, string>, readonly body: string }

/** An answer as a client sees it, and what of it the history keeps. */
export interface Answered { readonly completion: Completion, readonly json: any, readonly headers: Record<string, unknown> }

export function signed (key: string, method: string, path: string, body = ''): Sent {
  const full = PREFIX + path
  const signature = signRequest({ key, timestampSeconds: Math.floor(Date.now() / 1000), method, path: full, body: Buffer.from(body) })
  return { method, path: full, body, headers: { authorization: `Bearer ${key}`, 'x-fb-signature': signature, ...(body === '' ? {} : { 'content-type': 'application/json' }) } }
}

// Sends one request and waits for the whole answer. Rejects when the connection breaks or the deadline passes.
export async function send (member: Member, sent: Sent, marks: readonly string[]): Promise<Answered> {
  return await new Promise((resolve, reject) => {
    const { method, headers, body } = sent
    const outgoing = request(member.url + sent.path, { method, headers: { ...headers, 'content-length': String(Buffer.byteLength(body)) }, agent: member.agent, signal: AbortSignal.timeout(DEADLINE_MS) }, (answer) => {
      const chunks: Buffer[] = []
      answer.on('data', (chunk: Buffer) => chunks.push(chunk))
      answer.on('error', reject)
      answer.on('end', () => {
        if (!answer.complete) return reject(new Error('cut off'))
        resolve(read(answer.statusCode ?? 0, answer.headers, Buffer.concat(chunks).toString(), marks))
      })
    })
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}

function read (status: number, headers: Record<string, unknown>, text: string, marks: readonly string[]): Answered {
  const json = text === '' ? {} : JSON.parse(text)
  const watermark = headers['x-fb-watermark']
  return {
    json,
    headers,
    completion: {
      outcome: status < 400 ? 'ok' : status < 500 ? 'fail' : 'unknown',
      status,
      code: typeof json.code === 'string' ? json.code : null,
      watermark: typeof watermark === 'string' ? watermark : null,
      isAuthenticated: headers['x-ratelimit-limit'] !== undefined,
      evaluationId: typeof json.data?.evaluation_id === 'string' && typeof json.data.result_token === 'string' ? json.data.evaluation_id : null,
      foreignMark: marks.find((mark) => text.includes(mark)) ?? null
    }
  }
}

// A connection that was refused did nothing; any other failure may have done it.
export function failureOf (err: unknown): Completion {
  const code = err instanceof Error && 'code' in err ? String(err.code) : 'error'
  return { outcome: code === 'ECONNREFUSED' ? 'fail' : 'unknown', status: null, code }
}

/** The marks that must never stand in an answer to this organization. */
export function marksOfOthers (own: Organization | null, all: readonly Organization[]): string[] {
  return all.filter((one) => one !== own).flatMap(({ mark, id }) => [mark, id])
}
