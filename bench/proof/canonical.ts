/**
 * The signed string means one request: of random methods, paths and bodies, chosen so that they nearly collide, no two that differ and could
 * both be served have the same signed string. Each string is also read backwards: of all the ways to cut it into a path and a body, one
 * at most is a request that a route takes.
 */
import { macOf } from '../../plugins/lib/hmac.ts'
import { targetProblem } from '../../plugins/lib/request-target.ts'
import type { Figure, Proof, ProofOptions } from '../proof-definition.ts'
import { seededRandom } from '../seeded.ts'

const KEY = `fb_live_${'0123456789abcdef'.repeat(3)}`
const METHODS = ['GET', 'POST', 'PATCH', 'DELETE']
const PREFIX = '/api/public/v1'
/** The paths of keyed routes; an id stands for any text that org-scope lets through. */
const ROUTE = /^\/api\/public\/v1\/(?:[a-z-]+)(?:\/[A-Za-z0-9_-]{1,64}){0,4}$/
/** Small pieces, so that cutting a text elsewhere often gives another likely path. */
const PATH_PIECES = ['/a', '/evaluate', '/scenarios', '/x', '.', '..', 'b', 'a.b', '/req_1', '.{}', '_', '%2e', '/']
const BODY_PIECES = ['', '{}', '.', '..', 'b', '/x', '.GET', 'x.y', '/api/public/v1/a.', '{"a":1}', '\n', 'é', '_.{}']
const BODILESS = new Set(['GET', 'DELETE'])

interface Triple { method: string, path: string, body: string }

const proof: Proof = {
  summary: 'a signed string means one request',
  count: 1_000_000,
  unit: 'requests that a route could take',
  run: async ({ count, seed, progress }) => compare(count, seed, progress)
}

export default proof

function compare (count: number, seed: number, progress: ProofOptions['progress']): Figure[] {
  const random = seededRandom(seed)
  const seen = new Map<string, string>()
  const bodies = new Map<string, Buffer>()
  let collisions = 0
  let readTwice = 0
  let servable = 0
  let lookAlikes = 0
  let drawn = 0
  while (servable < count) {
    progress(servable)
    drawn++
    const triple = draw(random)
    const whole = `${triple.method}.${triple.path}.${triple.body}`
    const ways = readings(whole).filter(isServable)
    if (ways.length > 1) {
      readTwice++
      process.stderr.write(`canonical: ${JSON.stringify(whole)} can be read as ${JSON.stringify(ways)} (seed ${seed})\n`)
    }
    if (!isServable(triple)) {
      if (ways.length > 0) lookAlikes++
      continue
    }
    servable++
    const { body } = triple
    const bytes = bodies.get(body) ?? Buffer.from(body)
    bodies.set(body, bytes)
    const mac = macOf({ key: KEY, timestamp: '1800000000', method: triple.method, path: triple.path, body: bytes }).toString('latin1', 0, 12)
    const identity = `${triple.method} ${triple.path} ${body}`
    const before = seen.get(mac)
    if (before === undefined) seen.set(mac, identity)
    else if (before !== identity) {
      collisions++
      process.stderr.write(`canonical: ${JSON.stringify(before)} and ${JSON.stringify(identity)} sign the same (seed ${seed})\n`)
    }
  }
  return [
    { what: 'pairs that differ and sign the same', value: collisions, bar: '0', ok: collisions === 0 },
    { what: 'strings that are two requests', value: readTwice, bar: '0', ok: readTwice === 0 },
    { what: 'different requests that a route could take', value: seen.size },
    { what: 'drawn, with those that no route takes', value: drawn },
    { what: 'of these, with the string of a request', value: lookAlikes }
  ]
}

function draw (random: () => number): Triple {
  const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(random() * items.length)] as Item
  const several = (items: readonly string[], most: number): string => Array.from({ length: Math.floor(random() * most) }, () => pick(items)).join('')
  const method = pick(METHODS)
  const path = `${PREFIX}/${random() < 0.7 ? pick(['evaluate', 'scenarios', 'webhooks']) : several(PATH_PIECES, 3)}${several(PATH_PIECES, 4)}${random() < 0.3 ? `/${Math.floor(random() * 1e9).toString(36)}` : ''}`
  return { method, path, body: several(BODY_PIECES, 5) }
}

function isServable ({ method, path, body }: Triple): boolean {
  return METHODS.includes(method) && targetProblem(path) === null && ROUTE.test(path) && (body === '' || !BODILESS.has(method))
}

/** Every way to cut a signed string, without its time, into method, path and body. */
function readings (whole: string): Triple[] {
  const first = whole.indexOf('.')
  const ways: Triple[] = []
  for (let at = whole.indexOf('.', first + 1); at >= 0; at = whole.indexOf('.', at + 1)) {
    ways.push({ method: whole.slice(0, first), path: whole.slice(first + 1, at), body: whole.slice(at + 1) })
  }
  return ways
}
