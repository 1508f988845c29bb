/** Verdicts on answers, in words that hold nothing secret. */
import { ERROR_CATALOGUE, type ErrorCode } from '../../errors.ts'
import type { Seen } from './definition.ts'
import type { Answer, Conversation } from './wire.ts'

const WATERMARK = /^wm_[0-9a-z]{24,}$/

/** `403 signature_missing`, `200`, `no answer`. */
export function verdictOf (answer: Answer | null): string {
  if (answer === null) return 'no answer, the connection ended'
  const code = answer.body?.['code']
  return typeof code === 'string' && /^\w{1,40}$/.test(code) ? `${answer.status} ${code}` : String(answer.status)
}

/** Refused with one of these codes, its status and its published sentence. */
export function refusedWith (answer: Answer | null, ...codes: readonly ErrorCode[]): Seen {
  const ok = answer !== null && codes.some((code) => answer.status === ERROR_CATALOGUE[code].status && answer.body?.['code'] === code && answer.body['error'] === ERROR_CATALOGUE[code].sentence && answer.body['ok'] === false)
  return { ok, seen: verdictOf(answer) }
}

/** Refused by whoever reads bytes first, with one of these statuses; or the connection ended. */
export function turnedAway (answer: Answer | null, ...statuses: readonly number[]): Seen {
  return { ok: answer === null || statuses.includes(answer.status), seen: verdictOf(answer) }
}

/** Not let in: any 4xx. */
export function notServed (answer: Answer | null): Seen {
  return { ok: answer !== null && answer.status >= 400 && answer.status < 500 && !hasData(answer), seen: verdictOf(answer) }
}

export function served (answer: Answer | null): Seen {
  return { ok: answer?.status === 200, seen: verdictOf(answer) }
}

/** What came after an ambiguous message was not carried out: no answer but refusals. */
export function nothingCarriedOut ({ answers, end }: Conversation): Seen {
  const seen = answers.length === 0 ? 'no answer' : answers.map(verdictOf).join(', then ')
  return { ok: answers.length > 0 ? answers.every(({ status }) => status >= 400 && status < 500) : end !== 'open', seen: `${seen}; connection ${end}` }
}

/** The first verdict that is not ok, or the last. */
export function allOf (...all: readonly Seen[]): Seen {
  return all.find(({ ok }) => !ok) ?? all.at(-1) ?? { ok: false, seen: 'nothing was judged' }
}

/** Many verdicts of one question: how many of them were ok, and what was seen besides. */
export function tally (all: readonly Seen[]): Seen {
  const bad = all.filter(({ ok }) => !ok)
  const seen = new Map<string, number>()
  for (const one of bad.length > 0 ? bad : all) seen.set(one.seen, (seen.get(one.seen) ?? 0) + 1)
  return { ok: all.length > 0 && bad.length === 0, seen: [...seen].map(([what, times]) => times === 1 ? what : `${times} × ${what}`).join(', ') }
}

export function hasData ({ body }: Answer): boolean {
  return body !== null && 'data' in body
}

export function watermarkOf (answer: Answer | null): string | null {
  const mark = answer?.headers['x-fb-watermark']
  return mark !== undefined && WATERMARK.test(mark) ? mark : null
}

/** A well-formed watermark in the header, and the same one in the envelope where there is one. */
export function isMarked (answer: Answer | null): Seen {
  const mark = watermarkOf(answer)
  if (answer === null || mark === null) return { ok: false, seen: `${verdictOf(answer)} without a watermark` }
  const meta = answer.body?.['meta'] as Record<string, unknown> | undefined
  const isSame = meta === undefined || meta['watermark'] === mark
  return { ok: isSame, seen: `${verdictOf(answer)} with ${isSame ? 'a watermark' : 'two different watermarks'}` }
}
