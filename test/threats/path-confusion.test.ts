import fc from 'fast-check'
import t from 'tap'
import { verifyWatermark } from '../../plugins/lib/watermark-id.ts'
import { front, P, stateRows } from '../helper/fronts.ts'
import { requestBytes, talk, type RawAnswer } from '../helper/raw-http.ts'
import { embedded, FLOW, headersFor, newCaller, start } from '../helper/service.ts'

const RUNS = Number(process.env['SPELLING_RUNS'] ?? 1500)
const KNOWN = [['GET', '/governance/policies'], ['GET', '/scenarios'], ['GET', '/webhooks'], ['GET', '/requests'], ['POST', '/evaluate'], ['GET', '/results/eyJhbGciOiJIUzI1NiJ9.e30.a'], ['GET', '/governance/health']] as const
const BODY = JSON.stringify({ blueprints: [{ id: 'a', blueprint: FLOW }] })

const stores = embedded()
const { runtime, url } = await start(stores, { RUN_WORKER: 'false' })
t.teardown(async () => {
  await runtime.close()
  await stores.drop()
})
const caller = await newCaller(runtime, { permissions: ['admin'], rpm: 100_000, rph: 100_000 })
const { watermark: secret } = runtime.config.secrets

// One way of writing a path differently: at a place, a character is replaced or something is put before it.
const change = fc.record({ at: fc.nat(60), how: fc.constantFrom('%', '%upper', '%25', '//', '/./', '/../', '/x/../', ';', ';a=b', '\\', '%2f', '%5c', '%00', '\t', '%09', '.', '%2e', '/', '?', '#', '%23', '%3f', '+', '%20', '%c0%af', '\xc3\xa9', '*') })

function respell (path: string, changes: ReadonlyArray<{ at: number, how: string }>): string {
  const pieces = [...path]
  for (const { at, how } of changes) {
    const place = at % (pieces.length + 1)
    if (place === pieces.length) {
      pieces.push(how.startsWith('%') ? '?x=%2f..//' : how)
      continue
    }
    const character = [...path][place] ?? ''
    const code = character.charCodeAt(0).toString(16)
    pieces[place] = how === '%' ? `%${code}` : how === '%upper' ? `%${code.toUpperCase()}` : how === '%25' ? `%25${code}` : `${how}${character}`
  }
  return pieces.join('')
}

async function send (method: string, target: string, credentials: string[]): Promise<RawAnswer | undefined> {
  const body = method === 'POST' ? BODY : ''
  return (await talk(url, requestBytes(method, target, { headers: [...credentials, ...(body === '' ? [] : ['Content-Type: application/json'])], body }))).answers[0]
}

const lines = (headers: Record<string, string>): string[] => Object.entries(headers).filter(([name]) => name !== 'content-type').map(([name, value]) => `${name}: ${value}`)

t.test(`no spelling of a path leads past a layer (${RUNS} spellings)`, async (t) => {
  const before = await stateRows(runtime)
  let opened = 0
  const statuses = new Map<string, number>()
  await fc.assert(fc.asyncProperty(fc.constantFrom(...KNOWN), fc.array(change, { minLength: 1, maxLength: 3 }), fc.constantFrom('no key', 'no signature', 'the signature of the known path', 'the signature of this path'), async ([method, path], changes, what) => {
    const known = `${P}${path}`
    const target = respell(known, changes)
    const signedFor = what === 'the signature of this path' ? target : known
    const signed = lines(headersFor(caller, method, signedFor, method === 'POST' ? BODY : ''))
    const credentials = what === 'no key' ? [] : what === 'no signature' ? signed.filter((line) => line.startsWith('authorization')) : signed
    const answer = await send(method, target, credentials)
    if (answer === undefined) throw new Error(`${method} ${JSON.stringify(target)}: no answer`)
    if (!verifyWatermark(answer.headers['x-fb-watermark'] ?? '', secret)) throw new Error(`${method} ${JSON.stringify(target)}: no watermark`)
    statuses.set(`${what}: ${answer.status}`, (statuses.get(`${what}: ${answer.status}`) ?? 0) + 1)
    if (answer.status >= 500) throw new Error(`${method} ${JSON.stringify(target)}: ${answer.status}`)
    if (answer.status >= 300) return
    opened++
    // The signature covers the path and not the query, so of a known path only what stands before the question mark counts.
    const sameBytes = target.split('?')[0] === known
    const isOpen = sameBytes && path === '/governance/health'
    if (!isOpen && !(sameBytes && what.startsWith('the signature'))) throw new Error(`${method} ${JSON.stringify(target)} with ${what}: ${answer.status}`)
  }), { numRuns: RUNS, examples: [[KNOWN[0], [{ at: `${P}${KNOWN[0][1]}`.length, how: '?' }], 'the signature of this path']] })
  t.comment([...statuses].sort().map(([name, count]) => `${name} x ${count}`).join(', '))
  const after = await stateRows(runtime)
  t.ok(opened > 0, `${opened} were the path itself with a query`)
  t.ok((after['evaluations'] ?? 0) - (before['evaluations'] ?? 0) <= opened)
})

t.test('no spelling of a path leads past the kill switch', async (t) => {
  const disabled = await front(t, runtime, { enabled: false })
  const seen = new Set<number>()
  await fc.assert(fc.asyncProperty(fc.constantFrom(...KNOWN), fc.array(change, { maxLength: 2 }), async ([method, path], changes) => {
    const target = respell(`${P}${path}`, changes)
    const answer = await talk(disabled, requestBytes(method, target, { caller }))
    const status = answer.answers[0]?.status ?? 0
    seen.add(status)
    // Outside the surface there is nothing to disable.
    if (![400, 404, 503].includes(status)) throw new Error(`${method} ${JSON.stringify(target)}: ${status}`)
  }), { numRuns: Math.ceil(RUNS / 5) })
  t.ok(seen.has(503) && seen.has(400))
})
