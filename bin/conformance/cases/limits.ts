/** Layer 7: the window of a key, raced and counted. Layer 8: what may be seen of it from outside, which is little by intent. */
import type { AttackCase, Seen } from '../definition.ts'
import { allOf, hasData, refusedWith, served, verdictOf } from '../expect.ts'
import type { Key } from '../inputs.ts'
import type { Lab } from '../lab.ts'
import type { Answer } from '../wire.ts'
import { alike } from './authentication.ts'

const LIMIT_MAX = 300
const MORE = 10
const MINUTE_SECONDS = 60

/** What the volley of RTL-010 left behind, for the cases after it. */
const volleys = new WeakMap<Lab, Answer[]>()

export const limitCases: AttackCase[] = [
  {
    id: 'RTL-001',
    parts: ['rate-limits'],
    threats: ['token-replay'],
    title: 'an admitted call',
    expected: 'X-RateLimit-Limit, -Remaining and -Reset, the last within 61 s',
    attack: async (lab) => {
      const answer = await lab.admit()
      const { limit, remaining, reset } = windowOf(answer)
      const inSeconds = reset - Date.now() / 1000
      return allOf(served(answer), { ok: limit > 0 && remaining >= 0 && remaining < limit && inSeconds > -2 && inSeconds < MINUTE_SECONDS + 2, seen: `limit ${limit}, remaining ${remaining}, reset in ${Math.round(inSeconds)} s` })
    }
  },
  {
    id: 'RTL-002',
    parts: ['rate-limits'],
    threats: ['token-replay'],
    title: 'two admitted calls of one key',
    expected: 'the second has one less remaining',
    attack: async (lab) => {
      const [one, two] = [windowOf(await lab.admit({ key: lab.firstKey })), windowOf(await lab.admit({ key: lab.firstKey }))]
      // Older requests may leave the window meanwhile, so it can have grown, but never by what was just spent.
      return { ok: two.remaining === one.remaining - 1 || two.remaining > one.remaining, seen: `remaining ${one.remaining}, then ${two.remaining}` }
    }
  },
  {
    id: 'RTL-003',
    parts: ['rate-limits', 'signature'],
    threats: ['token-replay'],
    title: 'ten calls that are refused by the signature',
    expected: 'nothing is spent',
    attack: async (lab) => {
      const before = windowOf(await lab.admit({ key: lab.firstKey }))
      for (let n = 0; n < MORE; n++) await lab.ask({ sign: false })
      const after = windowOf(await lab.admit({ key: lab.firstKey }))
      return { ok: after.remaining >= before.remaining - 1, seen: `remaining ${before.remaining}, after ten refusals and one call ${after.remaining}` }
    }
  },
  {
    id: 'RTL-010',
    parts: ['rate-limits'],
    threats: ['token-replay', 'key-theft-from-logs'],
    title: 'more calls at once than the window has',
    expected: 'as many as it has, and not one more; the rest 429',
    needs: ['a key whose quota may be used up'],
    attack: async (lab) => volley(lab)
  },
  after('RTL-011', 'a 429, looked at', 'Retry-After of 1 to 60 whole seconds, nothing remaining, RateLimit and RateLimit-Policy', (answer) => {
    const retry = answer.headers['retry-after'] ?? ''
    const ok = /^[1-9]\d?$/.test(retry) && Number(retry) <= MINUTE_SECONDS && answer.headers['x-ratelimit-remaining'] === '0' && /;r=0;t=\d+/.test(answer.headers['ratelimit'] ?? '') && /q=\d+;w=60/.test(answer.headers['ratelimit-policy'] ?? '')
    return { ok, seen: `Retry-After ${retry === '' ? 'none' : retry}, remaining ${answer.headers['x-ratelimit-remaining'] ?? 'none'}, RateLimit ${answer.headers['ratelimit'] ?? 'none'}` }
  }),
  again('RTL-012', 'the exhausted key from another address, as it says', ['X-Forwarded-For: 198.51.100.77', 'User-Agent: another']),
  again('RTL-013', 'the exhausted key over HTTP/1.1 with another Host', []),
  {
    id: 'RTL-014',
    parts: ['rate-limits'],
    threats: ['token-replay'],
    title: 'twenty more calls of the exhausted key',
    expected: 'each 429, and the wait does not grow',
    needs: ['a key whose quota may be used up'],
    attack: async (lab) => {
      const first = await lab.ask({ key: lab.named('limited') })
      let last = first
      for (let n = 0; n < 2 * MORE; n++) last = await lab.ask({ key: lab.named('limited') })
      const waits = [first, last].map((answer) => Number(answer?.headers['retry-after']))
      return allOf(refusedWith(last, 'rate_limited'), { ok: (waits[1] ?? 0) <= (waits[0] ?? 0), seen: `Retry-After ${waits.join(', then ')}` })
    }
  },
  {
    id: 'RTL-015',
    parts: ['rate-limits'],
    threats: ['token-replay'],
    title: 'another key while one is exhausted',
    expected: '200: windows are each key\'s own',
    needs: ['a key whose quota may be used up'],
    attack: async (lab) => served(await lab.admit())
  }
]

function after (id: string, title: string, expected: string, judge: (answer: Answer) => Seen): AttackCase {
  return {
    id,
    parts: ['rate-limits'],
    threats: ['token-replay'],
    title,
    expected,
    needs: ['a key whose quota may be used up'],
    attack: async (lab) => {
      const answer = volleys.get(lab)?.find(({ status }) => status === 429)
      return answer === undefined ? { ok: false, seen: 'no call was refused with 429' } : judge(answer)
    }
  }
}

function again (id: string, title: string, headers: string[]): AttackCase {
  return {
    id,
    parts: ['rate-limits'],
    threats: ['token-replay', 'compromised-egress'],
    title,
    expected: '429 rate_limited, no data',
    needs: ['a key whose quota may be used up'],
    attack: async (lab) => {
      const answer = await lab.ask({ key: lab.named('limited'), headers, ...(headers.length === 0 ? { host: 'another.example' } : {}) })
      return allOf(refusedWith(answer, 'rate_limited'), { ok: answer !== null && !hasData(answer), seen: 'a refusal with data' })
    }
  }
}

async function volley (lab: Lab): Promise<Seen> {
  const key = lab.named('limited')
  const first = await freshWindow(lab, key)
  const { limit, remaining } = windowOf(first)
  if (first?.status !== 200) return { ok: false, seen: `the first call got ${verdictOf(first)}; give a key that is fresh` }
  const isKnown = Number.isSafeInteger(limit) && Number.isSafeInteger(remaining)
  if (isKnown && limit > LIMIT_MAX) return { ok: false, seen: `a limit of ${limit} is too much to use up; give a key with at most ${LIMIT_MAX} a minute` }
  const left = isKnown ? remaining : MINUTE_SECONDS - 1
  const answers = await Promise.all(Array.from({ length: left + MORE }, () => lab.ask({ key })))
  volleys.set(lab, answers.filter((answer) => answer !== null))
  const admitted = answers.filter((answer) => answer?.status === 200).length
  const refused = answers.filter((answer) => answer !== null && refusedWith(answer, 'rate_limited').ok).length
  return { ok: admitted === left && refused === MORE, seen: `${left} left; of ${answers.length} at once ${admitted} admitted, ${refused} got 429` }
}

/** The answer to a first call. Of a key that was used within the minute, requests leave the window while others are counted, so it is waited for. */
async function freshWindow (lab: Lab, key: Key): Promise<Answer | null> {
  const answer = await lab.ask({ key })
  const { limit, remaining, reset } = windowOf(answer)
  const seconds = Math.ceil(reset - Date.now() / 1000) + 1
  if (remaining === limit - 1 || !(seconds > 0 && seconds <= MINUTE_SECONDS + 2)) return answer
  await lab.pace.wait(seconds)
  return await lab.ask({ key })
}

function windowOf (answer: Answer | null): { limit: number, remaining: number, reset: number } {
  const read = (name: string): number => Number(answer?.headers[`x-ratelimit-${name}`] ?? Number.NaN)
  return { limit: read('limit'), remaining: read('remaining'), reset: read('reset') }
}

export const anomalyCases: AttackCase[] = [
  {
    id: 'ANO-001',
    parts: ['anomaly-detection', 'authentication'],
    threats: ['key-theft-from-logs'],
    title: 'a canary key',
    expected: 'the answer that an unknown key gets, to the header',
    needs: ['a canary key'],
    attack: async (lab) => {
      const canary = await lab.ask({ key: lab.named('canary') })
      const unknown = await lab.ask({ key: { key: `fb_live_${'0'.repeat(48)}`, secret: null } })
      return allOf(refusedWith(canary, 'invalid_api_key'), alike(canary, unknown))
    }
  },
  {
    id: 'ANO-002',
    parts: ['anomaly-detection', 'ip-allowlist'],
    threats: ['compromised-egress'],
    title: 'a stolen key from a foreign address, ten times',
    expected: 'the same 403 each time: nothing tells that it was noticed',
    needs: ['a key that may not call from here'],
    attack: async (lab) => {
      let [first, last] = [await lab.ask({ key: lab.named('elsewhere') }), null as Answer | null]
      for (let n = 0; n < MORE; n++) last = await lab.ask({ key: lab.named('elsewhere') })
      return allOf(refusedWith(last, 'ip_not_allowed'), alike(first, last))
    }
  },
  {
    id: 'ANO-003',
    parts: ['anomaly-detection', 'authentication'],
    threats: ['key-theft-from-logs'],
    title: 'the key of this run, after all attacks made with it',
    expected: '200: no automatic suspension unless opted in, or anybody could suspend anybody',
    isLast: true,
    attack: async (lab) => served(await lab.admit({ key: lab.firstKey }))
  }
]
