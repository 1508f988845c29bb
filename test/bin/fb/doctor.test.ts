import { createHmac } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { signHardened } from '../../../plugins/lib/hardened-signature.ts'
import { fbHost, type FbLine } from '../../helper/process.ts'
import { searchAnswer } from '../../helper/secrecy.ts'

const KEY = `fb_live_${'0a'.repeat(24)}`
const SECRET = `fbs_${'0a'.repeat(32)}`
const AT = '2027-01-15T08:00:00Z'
const T = 1_800_000_000
const PATH = '/api/public/v1/evaluate'
const BODY = '{"a":1}'

const folder = mkdtempSync(join(tmpdir(), 'fb-doctor-'))
const host = fbHost()
t.teardown(() => {
  host.close()
  rmSync(folder, { recursive: true, force: true })
})

async function doctor (args: string[], env: Record<string, string>, input = ''): Promise<FbLine> {
  const run = await host.run(['doctor', ...args], { DATA_DIR: join(folder, 'data'), ...env }, input)
  searchAnswer('fb doctor', run.stdout + run.stderr)
  return run
}

const v1 = (message: string): string => `t=${T},v1=${createHmac('sha256', KEY).update(message).digest('hex')}`
const dump = (signature: string | null, { body = BODY, end = '', more = [] as string[], target = PATH } = {}): string =>
  [`POST ${target} HTTP/1.1`, 'Host: api.test', ...(signature === null ? [] : [`X-FB-Signature: ${signature}`]), `Content-Length: ${Buffer.byteLength(body)}`, ...more, '', body + end].join('\r\n')
const good = v1(`${T}.POST.${PATH}.${BODY}`)

t.test('says of a request what must change, with the exit code of the verdict', async (t) => {
  const cases: ReadonlyArray<[string, number, string[], RegExp]> = [
    [dump(good), 0, [], /signature is right/],
    [dump(good, { end: '\n' }), 0, [], /signature is right/],
    [dump(good).replace(/\r\n/g, '\n'), 0, [], /signature is right/],
    [dump(v1(`${T}.POST./evaluate.${BODY}`)), 1, ['prefix_left_out'], /Sign the whole path/],
    [dump(v1(`${T}.POST.${PATH}.{"a": 1}`)), 1, ['body_serialised_again'], /serialise the JSON once/],
    [dump(v1(`${T}.POST.${PATH}?x=1.${BODY}`), { target: `${PATH}?x=1` }), 1, ['query_signed'], /leaves the question mark and the query out/],
    [dump(`t=${T}000,v1=${'a'.repeat(64)}`), 1, ['time_in_milliseconds'], /milliseconds/],
    [dump(null), 1, ['header_absent'], /every request/],
    [dump(`t=${T},v1=${'0'.repeat(64)}`), 1, ['unexplained'], /No known mistake/]
  ]
  for (const [request, status, mistakes, words] of cases) {
    const run = await doctor(['-', '--at', AT, '--json'], { FB_API_KEY: KEY }, request)
    t.equal(run.status, status, run.stderr)
    t.match(JSON.parse(run.stdout), { verdict: status === 0 ? 'right' : 'refused', profile: 'published', mistakes, advice: words })
  }
})

t.test('shows the text that must be signed, and for a person one sentence', async (t) => {
  const path = join(folder, 'request.http')
  writeFileSync(path, dump(v1(`${T}.POST./evaluate.${BODY}`)))
  const run = await doctor([path, '--at', AT], { FB_API_KEY: KEY })
  t.equal(run.stdout, `Sign the whole path, with /api/public/v1 before it.\n\nWhat must be signed:\n${T}.POST.${PATH}.${BODY}\n`)
})

t.test('judges the time of arrival: now, unless --at tells it', async (t) => {
  const run = await doctor(['-', '--json'], { FB_API_KEY: KEY }, dump(good))
  t.match(JSON.parse(run.stdout), { part: 'clock' })
  t.match(JSON.parse((await doctor(['-', '--json', '--at', '2027-01-15T09:00:00Z'], { FB_API_KEY: KEY }, dump(good))).stdout), { part: 'clock', mistakes: ['clock_time_zone'], ahead_seconds: -3600 })
})

t.test('takes keys from the environment, a file or the request, and shows none', async (t) => {
  const keyFile = join(folder, 'key')
  const secretFile = join(folder, 'secret')
  writeFileSync(keyFile, `${KEY}\n`)
  writeFileSync(secretFile, `${SECRET}\n`)
  t.equal((await doctor(['-', '--at', AT, '--key-file', keyFile], {}, dump(good))).status, 0)
  const inside = await doctor(['-', '--at', AT], {}, dump(good, { more: [`Authorization: Bearer ${KEY}`] }))
  t.equal(inside.status, 0)
  t.match(inside.stderr, /whole key fb_live_0a0a…/)
  const signed = (target: string, secret = SECRET): string => dump(signHardened({ secret, timestampSeconds: T, nonce: 'nonce-0123456789', method: 'POST', target, body: Buffer.from(BODY) }), { target: `${PATH}?x=1` })
  t.equal((await doctor(['-', '--at', AT, '--secret-file', secretFile], {}, signed(`${PATH}?x=1`))).status, 0)
  t.match(JSON.parse((await doctor(['-', '--at', AT, '--json'], { FB_SIGNING_SECRET: SECRET }, signed(PATH))).stdout), { profile: 'hardened', part: 'query', mistakes: ['query_left_out'] })
  t.match(JSON.parse((await doctor(['-', '--at', AT, '--json'], { FB_SIGNING_SECRET: SECRET }, dump(good))).stdout), { profile: 'hardened', part: 'profile', mistakes: ['profile_published'] })
  t.equal((await doctor(['-', '--at', AT, '--key', KEY], {}, dump(good))).status, 2, 'never on the command line')
})

t.test('refuses what it would have to guess, with exit 2 and a reason', async (t) => {
  const cases: ReadonlyArray<[string, Record<string, string>, string, string[]?]> = [
    ['a request line', { FB_API_KEY: KEY }, '> POST /x HTTP/1.1'],
    ['a path', { FB_API_KEY: KEY }, 'GET https://api.test/x HTTP/1.1\r\n\r\n'],
    ['no header', { FB_API_KEY: KEY }, 'GET /x HTTP/1.1\r\nnonsense\r\n\r\n'],
    ['twice', { FB_API_KEY: KEY }, dump(good, { more: [`X-FB-Signature: ${good}`] })],
    ['chunked', { FB_API_KEY: KEY }, dump(good, { more: ['Transfer-Encoding: chunked'] })],
    ['was cut', { FB_API_KEY: KEY }, dump(good).slice(0, -1)],
    ['Content-Length says', { FB_API_KEY: KEY }, dump(good, { end: 'more' })],
    ['no Content-Length', { FB_API_KEY: KEY }, 'POST /x HTTP/1.1\r\n\r\nbody'],
    ['a key is needed', {}, dump(good)],
    ['does not have the shape', { FB_API_KEY: 'short' }, dump(good)],
    ['another key', { FB_API_KEY: KEY.replace('0a', '0b') }, dump(good, { more: [`Authorization: Bearer ${KEY}`] })],
    ['hardened profile', { FB_API_KEY: KEY }, dump(`t=${T},n=nonce-0123456789,v2=${'a'.repeat(64)}`)],
    ['--at', { FB_API_KEY: KEY }, dump(good), ['--at', 'noon']]
  ]
  for (const [words, env, input, args = []] of cases) {
    const run = await doctor(['-', '--json', ...args], env, input)
    t.equal(run.status, 2, words)
    t.ok(JSON.parse(run.stdout).error.includes(words), `${words}: ${run.stdout}`)
  }
  t.equal((await doctor([join(folder, 'absent')], { FB_API_KEY: KEY })).status, 2)
  t.equal((await doctor(['wm_short'], {})).status, 2)
})
