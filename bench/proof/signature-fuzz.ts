/**
 * The signature layer against everything but the right signature: headers of a valid request, changed in one to three places, and valid
 * headers on another method, path, body or key. The layer's own hook judges each; what it must say is decided beforehand by a rule of
 * two lines that shares no code with it.
 */
import { createHmac } from 'node:crypto'
import { Readable } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import signature from '../../plugins/signature.ts'
import type { Figure, Proof, ProofOptions } from '../proof-definition.ts'
import { seededRandom } from '../seeded.ts'

const VALID_SHARE = 0.1
const OTHER_REQUEST_SHARE = 0.1
const NOW_SECONDS = 1_800_000_000
const TOLERANCE_SECONDS = 300
const PATHS = ['/api/public/v1/scenarios', '/api/public/v1/evaluate', '/api/public/v1/webhooks/sub_1', '/api/public/v1/governance/policies?x=1']

interface Attempt { key: string, method: string, target: string, body: string, header: string }
interface Made { attempt: Attempt, timestamp: string, mac: string }
type Hook = (request: object, reply: object, payload: Readable, done: (err?: unknown) => void) => void
type Judge = (attempt: Attempt) => Promise<boolean>

const proof: Proof = {
  summary: 'no changed signature is accepted, no valid one refused',
  count: 1_000_000,
  unit: 'changed headers (and a tenth as many valid ones)',
  run: async ({ count, seed, progress }) => await fuzz(count, seed, progress)
}

export default proof

async function fuzz (count: number, seed: number, progress: ProofOptions['progress']): Promise<Figure[]> {
  const random = seededRandom(seed)
  const judge = await layerOf()
  const tally = { accepted: 0, refused: 0, valid: 0, equivalent: 0 }
  const fail = (what: string, attempt: Attempt): void => { process.stderr.write(`signature-fuzz: ${what}: ${JSON.stringify(attempt)} at ${NOW_SECONDS} (seed ${seed})\n`) }
  for (let n = 0; n < count;) {
    progress(n)
    const made = make(random)
    if (random() < VALID_SHARE) {
      tally.valid++
      if (!await judge(made.attempt)) {
        tally.refused++
        fail('refused a valid one', made.attempt)
      }
    }
    const isOther = random() < OTHER_REQUEST_SHARE
    const attempt = isOther ? otherRequest(made.attempt, random) : { ...made.attempt, header: change(made.attempt.header, random) }
    const isEquivalent = !isOther && saysTheSame(attempt.header, made)
    const isAccepted = await judge(attempt)
    if (isEquivalent) {
      // A blank around a comma, an unknown part or another order changes no meaning, so it is not counted as a change.
      tally.equivalent++
      if (!isAccepted) {
        tally.refused++
        fail('refused an equivalent one', attempt)
      }
      continue
    }
    n++
    if (!isAccepted) continue
    tally.accepted++
    fail('accepted', attempt)
  }
  return [
    { what: 'changed and accepted', value: tally.accepted, bar: '0', ok: tally.accepted === 0 },
    { what: 'valid and refused', value: tally.refused, bar: '0', ok: tally.refused === 0 },
    { what: 'valid', value: tally.valid },
    { what: 'changed without a change of meaning', value: tally.equivalent }
  ]
}

/** The layer's hook, as it registers it, with a request that holds what the hook reads. */
async function layerOf (): Promise<Judge> {
  const hooks: Hook[] = []
  const app = { errorHandler () {}, hasRequestDecorator: () => true, hasDecorator: () => true, decorate () {}, decorateRequest () {}, principalJudges: [], addHook: (_name: string, hook: Hook) => { hooks.push(hook) } }
  await signature(app as unknown as FastifyInstance, { now: () => NOW_SECONDS * 1000 })
  const [verify] = hooks
  if (verify === undefined || hooks.length !== 1) throw new Error('the signature layer does not add one hook')
  return async ({ key, method, target, body, header }) => {
    const headers = { 'x-fb-signature': header, ...(body === '' ? {} : { 'content-length': String(Buffer.byteLength(body)) }) }
    const request = { server: { explainSignature: (check: string) => check }, method, headers, raw: { url: target }, routeOptions: { config: { access: 'key' } }, principal: null, renewPrincipal: null, bearerKey: key, rawBody: null, replayId: null }
    try {
      await new Promise<void>((resolve, reject) => {
        verify(request, { raw: {} }, Readable.from(body === '' ? [] : [Buffer.from(body)]), (err) => err instanceof Error ? reject(err) : resolve())
      })
      return true
    } catch (err) {
      if (err instanceof Error && 'code' in err && err.code === 'signature_invalid') return false
      throw err
    }
  }
}

function make (random: () => number): Made {
  const key = `fb_live_${hexOf(random, 48)}`
  const method = random() < 0.7 ? 'GET' : 'POST'
  const target = PATHS[Math.floor(random() * PATHS.length)] ?? '/'
  const body = method === 'GET' ? '' : JSON.stringify({ n: random(), text: hexOf(random, Math.floor(random() * 40)) })
  const timestamp = String(NOW_SECONDS + Math.round((random() * 2 - 1) * TOLERANCE_SECONDS))
  const mac = createHmac('sha256', key).update(`${timestamp}.${method}.${target.split('?')[0] ?? ''}.${body}`).digest('hex')
  const extra = random() < 0.2 ? `,v1=${hexOf(random, 64)}` : ''
  return { attempt: { key, method, target, body, header: `t=${timestamp},v1=${mac}${extra}` }, timestamp, mac }
}

/** RFC 9110's list with blanks, CONTRACT's parts: one `t`, one or two `v1`; everything else about the header is noise. */
function saysTheSame (header: string, { timestamp, mac }: Made): boolean {
  const parts = header.split(',').map((part) => part.replace(/^[ \t]+|[ \t]+$/g, ''))
  const times = parts.filter((part) => /^t(?:=|$)/.test(part))
  const macs = parts.filter((part) => /^v1(?:=|$)/.test(part))
  return header.length <= 1024 && times.length === 1 && times[0] === `t=${timestamp}` && macs.length >= 1 && macs.length <= 2 && macs.every((part) => /^v1=[0-9a-f]{64}$/.test(part)) && macs.includes(`v1=${mac}`)
}

function otherRequest (attempt: Attempt, random: () => number): Attempt {
  const kinds: Array<Partial<Attempt>> = [
    { method: attempt.method === 'GET' ? 'DELETE' : 'PUT' }, { target: `${attempt.target.split('?')[0] ?? ''}/` }, { target: attempt.target.replace('/v1/', '/v1//') },
    { target: attempt.target.replace(/[a-z](?=[a-z]*$|\?)/, (letter) => letter.toUpperCase()) }, { key: `${attempt.key.slice(0, -1)}${attempt.key.endsWith('0') ? '1' : '0'}` }, { body: `${attempt.body} ` }, { body: `.${attempt.body}` }
  ]
  const changed = { ...attempt, ...kinds[Math.floor(random() * kinds.length)] }
  return changed.target === attempt.target && changed.body === attempt.body && changed.key === attempt.key && changed.method === attempt.method ? { ...attempt, body: `${attempt.body}x` } : changed
}

const INSERTS = ['0', '1', 'f', 'F', 'g', ' ', '\t', ',', '=', 't=1', 'v1=', 't=', 'v0=', ',t=1800000000', ',v1=00', '\0', '\x0b', '\xa0', '+', '-', '.', ';', '"', '%', '0x', 'T=', 'V1=', '１']

function change (header: string, random: () => number): string {
  let text = header
  const changes = 1 + Math.floor(random() * 3)
  for (let n = 0; n < changes; n++) text = changeOnce(text, random)
  return text === header ? `${header.slice(0, -1)}${header.endsWith('0') ? '1' : '0'}` : text
}

function changeOnce (text: string, random: () => number): string {
  const at = Math.floor(random() * text.length)
  const to = at + Math.floor(random() * (text.length - at + 1))
  const insert = INSERTS[Math.floor(random() * INSERTS.length)] ?? ''
  switch (Math.floor(random() * 9)) {
    case 0: return text.slice(0, at) + text.slice(at + 1)
    case 1: return text.slice(0, at) + insert + text.slice(at)
    case 2: return text.slice(0, at) + String.fromCharCode(text.charCodeAt(at) ^ (1 << Math.floor(random() * 7))) + text.slice(at + 1)
    case 3: return text.slice(0, at) + insert + text.slice(at + 1)
    case 4: return text.slice(0, at) + text.slice(to)
    case 5: return text.slice(0, to) + text.slice(at)
    case 6: return text.slice(0, at) + text.slice(at, to).toUpperCase() + text.slice(to)
    case 7: return text.split(',').reverse().join(',')
    default: return text.replace(/[0-9a-f]{8}/, hexOf(random, 8))
  }
}

function hexOf (random: () => number, chars: number): string {
  let text = ''
  while (text.length < chars) text += Math.floor(random() * 16).toString(16)
  return text
}
