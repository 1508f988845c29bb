/** Layer 9: a watermark on every answer, its row, and what no answer may hold; judged over the whole run at its end. */
import type { AttackCase, Seen } from '../definition.ts'
import { allOf, hasData, isMarked, refusedWith, served, tally, verdictOf, watermarkOf } from '../expect.ts'
import type { Asked, Lab, Recorded } from '../lab.ts'
import type { Answer } from '../wire.ts'

const LEAKS = ['leaked-results'] as const
/** A stack's frame, a module's path, an error of a database. */
const INNARDS = /\bat \S+ \(|node_modules|\.js:\d+|ECONNREFUSED|syntax error at|SQLSTATE/

const MARKED: ReadonlyArray<[string, string, AttackCase['needs'], (lab: Lab) => Asked]> = [
  ['WMK-002', 'a refusal of a stranger', undefined, () => ({ key: null })],
  ['WMK-003', 'a refusal of a known caller', undefined, () => ({ sign: { header: 'none' } })],
  ['WMK-004', 'an unknown path', undefined, (lab) => ({ path: `${lab.settings.paths.prefix ?? ''}/conformance-unknown`, key: null })],
  ['WMK-005', 'HEAD', undefined, () => ({ method: 'HEAD', key: null })],
  ['WMK-006', 'a pre-flight', undefined, () => ({ method: 'OPTIONS', key: null, headers: ['Origin: https://browser.example'] })],
  ['WMK-007', 'an open route', ['an open route'], (lab) => ({ path: lab.openPath, key: null })],
  ['WMK-008', 'a request that brings a watermark of its own', undefined, () => ({ key: null, headers: [`X-FB-Watermark: wm_${'a'.repeat(36)}`] })]
]

export const watermarkCases: AttackCase[] = [
  {
    id: 'WMK-001',
    parts: ['watermark'],
    threats: LEAKS,
    title: 'an answer with data',
    expected: 'the same watermark in X-FB-Watermark and meta.watermark',
    attack: async (lab) => {
      const answer = await lab.admit()
      const meta = answer?.body?.['meta'] as Record<string, unknown> | undefined
      return allOf(isMarked(answer), { ok: answer?.status !== 200 || meta?.['watermark'] === watermarkOf(answer), seen: `${verdictOf(answer)} without meta.watermark` })
    }
  },
  ...MARKED.map(([id, title, needs, asked]): AttackCase => ({
    id,
    parts: ['watermark'],
    threats: LEAKS,
    title,
    expected: 'a watermark of the service',
    ...(needs === undefined ? {} : { needs }),
    attack: async (lab) => {
      const answer = await lab.ask(asked(lab))
      return allOf({ ok: !(watermarkOf(answer) ?? '').includes('a'.repeat(20)), seen: 'the watermark that the request brought' }, isMarked(answer))
    }
  })),
  {
    id: 'WMK-009',
    parts: ['watermark', 'http-edge'],
    threats: LEAKS,
    title: 'bytes that are no HTTP',
    expected: '400 with a watermark',
    attack: async (lab) => {
      const { answers } = await lab.say(Buffer.from('GET / HTTP/1.1\r\nbroken header\r\n\r\n'))
      return allOf(refusedWith(answers[0] ?? null, 'malformed_request'), isMarked(answers[0] ?? null))
    }
  },
  {
    id: 'WMK-010',
    parts: ['watermark', 'http-edge'],
    threats: LEAKS,
    title: 'a method that nobody has',
    expected: '405 with a watermark',
    attack: async (lab) => {
      const answer = await lab.ask({ method: 'BREW', key: null })
      return allOf(refusedWith(answer, 'method_not_allowed'), isMarked(answer))
    }
  },
  {
    id: 'WMK-011',
    parts: ['watermark', 'audit-trail'],
    threats: LEAKS,
    title: 'the watermark of an answer, asked for by its organization',
    expected: 'the row of that request',
    needs: ['an admin key'],
    attack: async (lab) => rowOf(lab, await lab.admit({ key: lab.firstKey }), 200)
  },
  {
    id: 'WMK-012',
    parts: ['watermark', 'audit-trail', 'signature'],
    threats: LEAKS,
    title: 'the watermark of a refusal, asked for by its organization',
    expected: 'the row of that request',
    needs: ['an admin key'],
    attack: async (lab) => rowOf(lab, await lab.ask({ sign: false }), 403)
  },
  {
    id: 'WMK-013',
    parts: ['watermark', 'audit-trail'],
    threats: ['leaked-results', 'key-sharing-across-organizations'],
    title: 'a watermark that nobody minted',
    expected: 'no row',
    needs: ['an admin key'],
    attack: async (lab) => {
      const answer = await lab.admit({ key: lab.named('admin'), path: auditPath(lab, `wm_${'0'.repeat(36)}`), sign: signFor(lab, `wm_${'0'.repeat(36)}`) })
      return { ok: answer !== null && answer.status < 500 && !answer.text.includes('"status":'), seen: verdictOf(answer) }
    }
  },
  {
    id: 'WMK-014',
    parts: ['watermark', 'audit-trail'],
    threats: ['leaked-results', 'key-sharing-across-organizations'],
    title: 'the watermark of another organization\'s answer',
    expected: 'no row',
    needs: ['an admin key', 'a key of another organization'],
    attack: async (lab) => {
      const mark = watermarkOf(await lab.admit({ key: lab.named('foreign') })) ?? ''
      const answer = await lab.admit({ key: lab.named('admin'), path: auditPath(lab, mark), sign: signFor(lab, mark) })
      return { ok: mark !== '' && answer !== null && answer.status < 500 && !answer.text.includes('"status":'), seen: verdictOf(answer) }
    }
  },
  whole('WMK-020', 'every answer of the run', 'a watermark', ['watermark'], (lab) => tally(marked(lab).map(({ answer }) => isMarked(answer)).map(({ ok, seen }) => ok ? { ok, seen: 'watermark' } : { ok, seen }))),
  whole('WMK-021', 'the watermarks of the run', 'each is another', ['watermark'], (lab) => {
    const marks = lab.recorded.flatMap(({ answer }) => watermarkOf(answer) ?? [])
    return { ok: new Set(marks).size === marks.length && marks.length > 0, seen: `${marks.length} watermarks, ${new Set(marks).size} different ones` }
  }),
  whole('WMK-022', 'every answer of the run', 'Cache-Control: no-store, unless it is a success that says private', ['watermark'], (lab) => overAll(marked(lab), ({ answer }) => {
    const cache = answer.headers['cache-control'] ?? ''
    return cache === 'no-store' || (answer.status < 400 && cache.includes('private'))
  })),
  whole('WMK-023', 'every answer of the run', 'X-Content-Type-Options: nosniff', ['watermark'], (lab) => overAll(marked(lab), ({ answer }) => answer.headers['x-content-type-options'] === 'nosniff')),
  whole('WMK-024', 'every refusal of the run', 'no data', ['watermark'], (lab) => overAll(refusals(lab), ({ answer }) => !hasData(answer))),
  whole('WMK-025', 'every refusal of the run that has a body', 'application/json with ok, error and code', ['watermark'], (lab) => overAll(refusals(marked(lab)).filter(({ method }) => method !== 'HEAD'), ({ answer }) => /^application\/json/.test(answer.headers['content-type'] ?? '') && answer.body?.['ok'] === false && typeof answer.body['error'] === 'string' && typeof answer.body['code'] === 'string')),
  { ...whole('WMK-026', 'every answer of the run', 'no Access-Control-* header', ['transport'], (lab) => overAll(lab.recorded, ({ answer }) => !Object.keys(answer.headers).some((name) => name.startsWith('access-control-')))), threats: ['browser-origin-abuse'] },
  { ...whole('WMK-027', 'every answer of the run', 'no key, no signing secret and no innards of the service', ['watermark'], (lab) => overAll(lab.recorded, ({ answer }) => holdsNoSecret(lab, answer))), threats: ['key-theft-from-logs', 'leaked-results'] },
  { ...whole('WMK-028', 'every answer of the run', 'no 5xx but the kill switch\'s 503, whatever was sent', ['watermark'], (lab) => overAll(lab.recorded, ({ answer }) => answer.status < 500 || answer.body?.['code'] === 'api_disabled')), threats: ['token-replay'] },
  { ...whole('WMK-029', 'every answer of the run', 'no Server and no X-Powered-By', ['watermark'], (lab) => overAll(lab.recorded, ({ answer }) => answer.headers['server'] === undefined && answer.headers['x-powered-by'] === undefined)), threats: ['key-theft-from-logs'] }
]

function whole (id: string, title: string, expected: string, parts: AttackCase['parts'], judge: (lab: Lab) => Seen): AttackCase {
  return { id, parts, threats: LEAKS, title, expected, isLast: true, attack: async (lab) => judge(lab) }
}

/** Answers that the service gave. Without an edge of ours the runtime itself answers what is no request, and no layer hears of it. */
function marked (lab: Lab): Recorded[] {
  return lab.settings.parts.has('http-edge') ? lab.recorded : lab.recorded.filter(({ isPerhapsRuntimes }) => !isPerhapsRuntimes)
}

function refusals (from: Lab | Recorded[]): Recorded[] {
  return (Array.isArray(from) ? from : from.recorded).filter(({ answer }) => answer.status >= 400)
}

function overAll (records: readonly Recorded[], isRight: (record: Recorded) => boolean): Seen {
  const wrong = records.filter((record) => !isRight(record))
  return { ok: records.length > 0 && wrong.length === 0, seen: wrong.length === 0 ? `${records.length} answers` : `${wrong.length} of ${records.length} answers, such as ${wrong[0]?.method ?? ''}: ${verdictOf(wrong[0]?.answer ?? null)}` }
}

function holdsNoSecret ({ settings }: Lab, answer: Answer): boolean {
  const everything = `${JSON.stringify(answer.headers)}${answer.text}`
  const secrets = [...settings.keys, ...Object.values(settings.named)].flatMap(({ key, secret }) => secret === null ? [key] : [key, secret])
  return !secrets.some((secret) => everything.includes(secret)) && !(answer.status >= 400 && INNARDS.test(everything))
}

async function rowOf (lab: Lab, first: Answer | null, status: number): Promise<Seen> {
  const mark = watermarkOf(first) ?? ''
  const answer = await lab.admit({ key: lab.named('admin'), path: auditPath(lab, mark), sign: signFor(lab, mark) })
  return allOf(served(answer), { ok: mark !== '' && (answer?.text.includes(`"watermark":"${mark}"`) ?? false) && (answer?.text.includes(`"status":${status}`) ?? false), seen: 'an answer without that row' })
}

function auditPath (lab: Lab, mark: string): string {
  return (lab.settings.paths.auditPath ?? '').replace('{watermark}', mark)
}

/** The published signature does not cover the query, the hardened one does; each signer takes what it covers. */
function signFor (lab: Lab, mark: string): NonNullable<Asked['sign']> {
  return { path: auditPath(lab, mark) }
}
