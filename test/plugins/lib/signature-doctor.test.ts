import { createHash, createHmac, createSecretKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import t from 'tap'
import { signHardened } from '../../../plugins/lib/hardened-signature.ts'
import { signRequest } from '../../../plugins/lib/hmac.ts'
import { adviceFor, budgetPerSecond, diagnoseSignature, mistakeNames, readReason, reasonOf, type Evidence } from '../../../plugins/lib/signature-doctor.ts'
import { bodyOf, type HardenedVector, type SignatureVector } from '../../helper/vectors.ts'

const KEY = `fb_live_${'0123456789abcdef'.repeat(3)}`
const SECRET = `fbs_${'0123456789abcdef'.repeat(4)}`
const T = 1_800_000_000
const N = '0123456789abcdef01234567'
const TARGET = '/api/public/v1/scenarios?limit=10&cursor=a%20b'
const PATH = '/api/public/v1/scenarios'
const JSON_BODY = '{"name":"Zürich/1","scenario_ids":["a","b"],"a":1}'
const sha = (text: string): string => createHash('sha256').update(text).digest('hex')
const hmac = (message: string | Buffer, key: string | Buffer = KEY): string => createHmac('sha256', key).update(message).digest('hex')

function published (mac: string, change: Partial<Evidence> = {}): string[] {
  const found = diagnoseSignature({ profile: 'published', header: `t=${T},v1=${mac}`, method: 'GET', target: TARGET, host: 'api.test', body: Buffer.alloc(0), nowSeconds: T, keys: [KEY], apiKey: KEY, ...change })
  return found === null ? [] : [found.part, ...found.mistakes]
}

function hardened (mac: string, change: Partial<Evidence> = {}): string[] {
  return published(mac, { profile: 'hardened', header: `t=${T},n=${N},v2=${mac}`, keys: [createSecretKey(SECRET, 'latin1')], ...change })
}

t.test('finds nothing wrong with a right signature', async (t) => {
  const body = Buffer.from(JSON_BODY)
  const header = signRequest({ key: KEY, timestampSeconds: T, method: 'POST', path: TARGET, body })
  t.same(published('', { header, method: 'POST', body }), [])
  t.same(hardened('', { header: signHardened({ secret: SECRET, timestampSeconds: T, method: 'POST', target: TARGET, body }), method: 'POST', body }), [])
})

t.test('names the mistake in a message of the published profile', async (t) => {
  const head = `${T}.GET.${PATH}.`
  const cases: ReadonlyArray<[string, string, string]> = [
    ['query', 'query_signed', hmac(`${T}.GET.${TARGET}.`)],
    ['path', 'prefix_left_out', hmac(`${T}.GET./scenarios.`)],
    ['path', 'prefix_left_out', hmac(`${T}.GET./v1/scenarios.`)],
    ['method', 'method_case', hmac(`${T}.get.${PATH}.`)],
    ['method', 'method_other', hmac(`${T}.POST.${PATH}.`)],
    ['path', 'whole_url', hmac(`${T}.GET.https://api.test${PATH}.`)],
    ['path', 'whole_url', hmac(`${T}.GET.https://api.test${TARGET}.`)],
    ['path', 'leading_slash', hmac(`${T}.GET.${PATH.slice(1)}.`)],
    ['path', 'trailing_slash', hmac(`${T}.GET.${PATH}/.`)],
    ['message', 'last_point_left_out', hmac(`${T}.GET.${PATH}`)],
    ['message', 'message_line_feed', hmac(`${head}\n`)],
    ['message', 'separator', hmac(`${T}:GET:${PATH}:`)],
    ['message', 'separator', hmac(`${T}\nGET\n${PATH}\n`)],
    ['message', 'order', hmac(`GET.${PATH}.${T}.`)],
    ['message', 'parts_left_out', hmac(`${T}.`)],
    ['message', 'message_encoding', hmac(Buffer.from(head, 'utf16le'))],
    ['message', 'no_hmac', sha(head)],
    ['message', 'no_hmac', sha(KEY + head)],
    ['body', 'body_text_for_empty', hmac(`${head}{}`)],
    ['body', 'body_text_for_empty', hmac(`${head}undefined`)],
    ['body', 'body_hashed', hmac(head + sha(''))],
    ['key', 'key_blanks', hmac(head, `${KEY}\n`)],
    ['key', 'key_blanks', hmac(head, ` ${KEY}`)],
    ['key', 'key_bearer', hmac(head, `Bearer ${KEY}`)],
    ['key', 'key_prefix_left_out', hmac(head, KEY.slice(8))],
    ['key', 'key_decoded', hmac(head, Buffer.from(KEY.slice(8), 'hex'))],
    ['key', 'key_upper_case', hmac(head, KEY.toUpperCase())],
    ['key', 'key_shown_part', hmac(head, KEY.slice(0, 12))],
    ['clock', 'time_taken_twice', hmac(`${T - 1}.GET.${PATH}.`)],
    ['clock', 'time_milliseconds', hmac(`${T}417.GET.${PATH}.`)]
  ]
  for (const [part, mistake, mac] of cases) t.same(published(mac), [part, mistake], mistake)
  t.same(published(hmac(`${T}.GET./x/A/B.`), { target: '/x/A%2FB' }), ['path', 'path_decoded'])
})

t.test('names what happened to a body', async (t) => {
  const signed = (body: string | Buffer, sent = JSON_BODY): string[] => published(createHmac('sha256', KEY).update(`${T}.POST.${PATH}.`).update(body).digest('hex'), { method: 'POST', body: Buffer.from(sent) })
  const value = JSON.parse(JSON_BODY)
  const cases: ReadonlyArray<[string, string | Buffer, string?]> = [
    ['body_left_out', ''],
    ['body_serialised_again', JSON.stringify(value, null, 2)],
    ['body_serialised_again', JSON.stringify(value, null, 4)],
    ['body_serialised_again', '{"name": "Zürich/1", "scenario_ids": ["a", "b"], "a": 1}'],
    ['body_serialised_again', '{"name": "Z\\u00fcrich/1", "scenario_ids": ["a", "b"], "a": 1}'],
    ['body_serialised_again', '{"name":"Z\\u00fcrich\\/1","scenario_ids":["a","b"],"a":1}'],
    ['body_serialised_again', '{"a":1,"name":"Zürich/1","scenario_ids":["a","b"]}'],
    ['body_serialised_again', JSON.stringify(JSON_BODY)],
    ['body_serialised_again', JSON_BODY, JSON.stringify(value, null, 2)],
    ['body_object_text', '[object Object]'],
    ['body_line_feed', `${JSON_BODY}\n`],
    ['body_line_feed', JSON_BODY, `${JSON_BODY}\r\n`],
    ['body_line_ends', '[\n1]\n', '[\r\n1]\r\n'],
    ['body_blanks', 'x y', ' x y  '],
    ['body_byte_order_mark', `\ufeff${JSON_BODY}`],
    ['body_encoding', Buffer.from(JSON_BODY, 'latin1')],
    ['body_hashed', sha(JSON_BODY)],
    ['body_hashed', Buffer.from(JSON_BODY).toString('base64')]
  ]
  for (const [mistake, body, sent] of cases) t.same(signed(body, sent), ['body', mistake], mistake)
})

t.test('names the mistake in a message of the hardened profile', async (t) => {
  const empty = sha('')
  const message = (target: string, hash = empty, method = 'GET'): string => `v2.${T}.${N}.${method}.${target}.${hash}`
  const cases: ReadonlyArray<[string, string, string]> = [
    ['query', 'query_left_out', hmac(message(PATH), SECRET)],
    ['query', 'query_order', hmac(message(`${PATH}?cursor=a%20b&limit=10`), SECRET)],
    ['path', 'path_decoded', hmac(message(`${PATH}?limit=10&cursor=a b`), SECRET)],
    ['path', 'path_decoded', hmac(message(`${PATH}?limit=10&cursor=a+b`), SECRET)],
    ['path', 'prefix_left_out', hmac(message(TARGET.slice(14)), SECRET)],
    ['method', 'method_case', hmac(message(TARGET, empty, 'get'), SECRET)],
    ['key', 'api_key_for_secret', hmac(message(TARGET), KEY)],
    ['key', 'key_prefix_left_out', hmac(message(TARGET), SECRET.slice(4))],
    ['key', 'key_decoded', hmac(message(TARGET), Buffer.from(SECRET.slice(4), 'hex'))],
    ['key', 'key_blanks', hmac(message(TARGET), `${SECRET}\n`)],
    ['nonce', 'nonce_left_out', hmac(message(TARGET).replace(`.${N}`, ''), SECRET)],
    ['message', 'version_left_out', hmac(message(TARGET).slice(3), SECRET)],
    ['message', 'published_message', hmac(`${T}.GET.${PATH}.`, SECRET)],
    ['body', 'body_hash_left_out', hmac(message(TARGET, ''), SECRET)],
    ['body', 'body_hash_form', hmac(message(TARGET, empty.toUpperCase()), SECRET)]
  ]
  for (const [part, mistake, mac] of cases) t.same(hardened(mac), [part, mistake], mistake)
  t.same(hardened(hmac(message(TARGET, '{"a":1}', 'POST'), SECRET), { method: 'POST', body: Buffer.from('{"a":1}') }), ['body', 'body_not_hashed'])
  t.same(hardened(hmac(message(`${PATH}`), SECRET), { target: `${PATH}?` }), ['query', 'query_left_out'])
})

t.test('names two common mistakes that were made at once', async (t) => {
  t.same(published(hmac(`${T}.get./scenarios.`)), ['path', 'prefix_left_out', 'method_case'])
  t.same(published(hmac(`${T}.GET.${PATH}\n`)), ['message', 'last_point_left_out', 'message_line_feed'])
  t.same(published(hmac(`${T}.POST./evaluate.{"a": 1}`), { method: 'POST', target: '/api/public/v1/evaluate', body: Buffer.from('{"a":1}') }), ['path', 'prefix_left_out', 'body_serialised_again'])
})

t.test('says what a header that cannot be read lacks', async (t) => {
  const mac = 'a'.repeat(64)
  const cases: ReadonlyArray<[string, string]> = [
    ['header_empty', ' '], ['header_bare', mac], ['header_bare', Buffer.from(mac, 'hex').toString('base64')], ['header_scheme', `sha256=${mac}`], ['header_separator', `t=1;v1=${mac}`], ['header_blanks', `t=1,v1= ${mac}`],
    ['header_quotes', `t="1",v1="${mac}"`], ['header_names', `T=1,V1=${mac}`], ['time_absent', `v1=${mac}`], ['time_absent', `t=,v1=${mac}`], ['time_twice', `t=1,t=1,v1=${mac}`], ['time_in_milliseconds', `t=${T}000,v1=${mac}`],
    ['time_form', `t=2027-01-15T08:00:00Z,v1=${mac}`], ['time_form', `t=${T}.5,v1=${mac}`], ['time_form', `t=0${T},v1=${mac}`], ['signature_absent', 't=1'], ['signature_absent', 't=1,v1='], ['signature_too_many', `t=1,v1=${mac},v1=${mac},v1=${mac}`],
    ['signature_upper_case', `t=1,v1=${mac.toUpperCase()}`], ['signature_base64', `t=1,v1=${Buffer.from(mac, 'hex').toString('base64')}`], ['signature_algorithm', `t=1,v1=${'a'.repeat(40)}`], ['signature_algorithm', `t=1,v1=${'a'.repeat(128)}`],
    ['signature_length', `t=1,v1=${mac.slice(1)}`], ['signature_characters', `t=1,v1=${'g'.repeat(64)}`], ['header_too_long', `t=1,v1=${mac},x=${'y'.repeat(1024)}`]
  ]
  for (const [mistake, header] of cases) t.same(published('', { header, body: null }), ['grammar', mistake], header.slice(0, 40))
  for (const [mistake, header] of [['nonce_absent', `t=1,v2=${mac}`], ['nonce_twice', `t=1,n=${N},n=${N},v2=${mac}`], ['nonce_length', `t=1,n=short,v2=${mac}`], ['nonce_characters', `t=1,n=${N}.x,v2=${mac}`], ['signature_absent', `t=1,n=${N}`]] as const) {
    t.same(hardened('', { header, body: null }), ['grammar', mistake], header.slice(0, 40))
  }
  t.same(hardened('', { header: `t=1,v1=${mac}`, body: null }), ['profile', 'profile_published'])
  t.same(published('', { header: `t=1,n=${N},v2=${mac}`, body: null }), ['profile', 'profile_hardened'])
})

t.test('tells a wrong clock, and by how much', async (t) => {
  const right = hmac(`${T}.GET.${PATH}.`)
  for (const [mistake, aheadSeconds] of [['clock_ahead', 301], ['clock_behind', -301], ['clock_time_zone', 7200], ['clock_time_zone', -19_810], ['clock_behind', -86_400]] as const) {
    for (const body of [null, Buffer.alloc(0)]) {
      const found = diagnoseSignature({ profile: 'published', header: `t=${T},v1=${right}`, method: 'GET', target: TARGET, host: '', body, nowSeconds: T - aheadSeconds, keys: [KEY], apiKey: KEY })
      t.same(found, { part: 'clock', mistakes: [mistake], aheadSeconds })
    }
  }
})

t.test('explains every invalid vector but those that only another key or chance made', async (t) => {
  const read = (name: string): any => JSON.parse(readFileSync(`test/vectors/${name}`, 'utf8')).vectors
  const unexplained: string[] = []
  const judge = (vector: SignatureVector | HardenedVector, change: Partial<Evidence>): void => {
    const { header, method, target, now: nowSeconds } = vector
    const found = diagnoseSignature({ profile: 'published', header, method, target, host: 'api.test', body: bodyOf(vector), nowSeconds, keys: [KEY], apiKey: KEY, ...change })
    t.equal(found === null, vector.valid, vector.name)
    if (found === null) return
    if (found.mistakes.includes('unexplained')) unexplained.push(vector.name)
    if (vector.reason !== 'mac') t.match(found.part, vector.reason === 'clock' ? 'clock' : /grammar|profile/, vector.name)
    t.type(adviceFor(found.mistakes), 'string', vector.name)
    t.match(readReason(reasonOf(vector.reason ?? '', found)), found, vector.name)
  }
  for (const vector of read('request-signature.json') as SignatureVector[]) judge(vector, { keys: [vector.key], apiKey: vector.key })
  for (const vector of read('hardened-signature.json') as HardenedVector[]) {
    const isStillValid = vector.previous_secret !== undefined && vector.now < (vector.previous_until ?? 0)
    judge(vector, { profile: 'hardened', keys: [vector.secret, ...(isStillValid ? [vector.previous_secret ?? ''] : [])] })
  }
  t.same(unexplained.sort(), [
    'a body that was changed by one byte', 'a composed character where a decomposed one was signed', 'another nonce in the header than was signed', 'another query', 'only zeros', 'only zeros', 'signed with another key', 'signed with another secret',
    'the secret before a rotation, at its end', 'the whole URL signed', 'two signatures, neither matches'
  ])
})

t.test('every mistake has its advice, in sentences that hold nothing of a request', async (t) => {
  for (const name of mistakeNames()) t.match(adviceFor([name]), /^[A-Z][^\n]*[.)]$/, name)
  t.equal(adviceFor(['no_such_mistake']), null)
  t.equal(adviceFor([]), null)
  for (const text of ['mac', 'grammar', 'clock', '', 'a/b/c d', 'a/b']) t.equal(readReason(text), null)
})

t.test('survives bodies that were made to cost', async (t) => {
  for (const body of ['['.repeat(16_384), `${'['.repeat(8000)}${']'.repeat(8000)}`, `${'['.repeat(16)}${'1,'.repeat(8000)}1${']'.repeat(16)}`, '{"__proto__":{"a":1}}', '\ud800'.repeat(2000), '%'.repeat(16_384)]) {
    t.same(published('0'.repeat(64), { method: 'POST', body: Buffer.from(body), target: `/x?${'%'.repeat(2000)}&a=${'%ff'.repeat(1000)}` }), ['unknown', 'unexplained'])
  }
})

t.test('a budget is so many a second', async (t) => {
  let nowMs = 1000
  const may = budgetPerSecond(2, () => nowMs)
  t.same([may(), may(), may()], [true, true, false])
  nowMs = 2000
  t.ok(may())
})
