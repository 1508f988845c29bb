/** Whether a target does the work that it is measured for, asked once before any load. A fast answer of a target that checks nothing is worth nothing. */
import { ask } from './client.ts'
import { SMALL_LIMIT, type BenchKeys } from './stores.ts'
import type { RunningTarget } from './targets.ts'

/** Null, or what the target does wrong: it must admit a signed request, refuse a forged one, and refuse what is over a key's limit. */
export async function whyUnfit (target: RunningTarget, keys: BenchKeys, method: 'GET' | 'POST'): Promise<string | null> {
  const [key = ''] = keys.full
  try {
    const signed = await ask(target.url, key, { method })
    if (signed !== 200) return `a signed request was answered ${signed}, not 200`
    if (!target.isGuarded) return null
    const forged = await ask(target.url, key, { method, isForged: true })
    if (forged !== 401 && forged !== 403) return `a forged signature was answered ${forged}, not 401 or 403`
    let last = 0
    for (let nth = 0; nth <= SMALL_LIMIT; nth++) last = await ask(target.url, keys.small, { method })
    return last === 429 ? null : `request ${SMALL_LIMIT + 1} of a key of ${SMALL_LIMIT} was answered ${last}, not 429`
  } catch (err) {
    return `no answer: ${err instanceof Error ? err.message : String(err)}`
  }
}
