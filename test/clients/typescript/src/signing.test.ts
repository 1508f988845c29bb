import { readFileSync } from 'node:fs'
import t from 'tap'
import { signatureOf, SigningClock } from '../../../../clients/typescript/src/signing.ts'
import { signHardened } from '../../../../plugins/lib/hardened-signature.ts'

const bodyOf = ({ body = '', body_base64: base64, body_repeat: repeat }: any): Buffer => {
  if (base64 !== undefined) return Buffer.from(base64, 'base64')
  return Buffer.from(repeat === undefined ? body : repeat.prefix + repeat.text.repeat(repeat.times) + repeat.suffix)
}

t.test('every canonical vector of the published profile is signed to its header', async (t) => {
  const { vectors } = JSON.parse(readFileSync('test/vectors/request-signature.json', 'utf8'))
  const canonical = vectors.filter((one: any) => one.canonical === true)
  t.ok(canonical.length > 5)
  for (const one of canonical) {
    const header = signatureOf({ apiKey: one.key, signingSecret: null }, { timestampSeconds: one.t, method: one.method.toUpperCase(), target: one.target, body: bodyOf(one) })
    t.equal(header, one.header, one.name)
  }
})

t.test('the hardened profile signs as the service does, with a fresh nonce each time', async (t) => {
  const secret = `fbs_${'0a'.repeat(32)}`
  const request = { timestampSeconds: 1_800_000_000, method: 'POST', target: '/api/public/v1/evaluate?a=1', body: Buffer.from('{"a":"ü"}') }
  const headers = [1, 2].map(() => signatureOf({ apiKey: 'unused', signingSecret: secret }, request))
  t.not(headers[0], headers[1])
  for (const header of headers) {
    const [, nonce = ''] = /n=([0-9a-f]{36}),/.exec(header) ?? []
    t.equal(header, signHardened({ secret, nonce, ...request }))
  }
})

t.test('two equal requests that change state never have one signature, and reading may', async (t) => {
  const clock = new SigningClock(() => 1_800_000_000_500)
  const body = Buffer.from('{}')
  t.same([1, 2, 3].map(() => clock.timestampFor('POST', '/a', body)), [1_800_000_000, 1_800_000_001, 1_800_000_002])
  t.equal(clock.timestampFor('POST', '/b', body), 1_800_000_000)
  t.same([1, 2].map(() => clock.timestampFor('GET', '/a', body)), [1_800_000_000, 1_800_000_000])
})

t.test('a clock that is corrected stays so', async (t) => {
  const clock = new SigningClock(() => 1_000_000)
  t.equal(clock.correct(1_600_000), 600_000)
  t.equal(clock.nowMs(), 1_600_000)
  t.equal(clock.correct(1_600_000), 0)
  const ahead = new SigningClock(() => 1_800_000_600_000)
  const sign = (): number => ahead.timestampFor('POST', '/a', Buffer.from('{}'))
  t.equal(sign(), 1_800_000_600)
  ahead.correct(1_800_000_000_000)
  t.equal(sign(), 1_800_000_000, 'also for a request that was signed ahead of time')
})
