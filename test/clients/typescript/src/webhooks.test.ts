import t from 'tap'
import { WebhookVerificationError } from '../../../../clients/typescript/src/errors.ts'
import { verifyWebhook } from '../../../../clients/typescript/src/webhooks.ts'
import { generateSigningSecret, signWebhook } from '../../../../plugins/lib/webhook-signature.ts'

const secret = generateSigningSecret()
const other = generateSigningSecret()
const nowMs = 1_800_000_000_000
const body = Buffer.from(JSON.stringify({ event: 'webhook.ping', organization_id: 'org_1', webhook_id: 'sub_1' }))
const signed = (changes: object = {}): Record<string, string> => signWebhook({ secret, messageId: 'msg_1', timestampSeconds: nowMs / 1000, body, ...changes })
const only = (headers: Record<string, string>, kept: RegExp): Record<string, string> => Object.fromEntries(Object.entries(headers).filter(([name]) => kept.test(name)))
const problemOf = (headers: Record<string, string | string[]>, bytes: Uint8Array = body, one: string | [string, string] = secret): string => {
  try {
    verifyWebhook(bytes, headers, one, { nowMs })
    return 'none'
  } catch (err) {
    return err instanceof WebhookVerificationError ? err.code : String(err)
  }
}

t.test('accepts either form, both, and each of two secrets', async (t) => {
  for (const [form, messageId] of [[/./, 'msg_1'], [/x-fb/, null], [/webhook-/, 'msg_1']] as const) {
    const headers = only(signed(), form)
    t.same(verifyWebhook(body, headers, secret, { nowMs }), { event: JSON.parse(body.toString()), messageId })
    t.equal(problemOf(headers, body, [other, secret]), 'none')
    t.equal(verifyWebhook(body, new Headers(headers), [secret, other], { nowMs }).messageId, messageId)
  }
  const shouting = Object.fromEntries(Object.entries(signed()).map(([name, value]) => [name.toUpperCase(), value]))
  t.equal(problemOf(shouting), 'none')
})

t.test('refuses what is forged, altered, stale, missing, repeated or not JSON', async (t) => {
  t.equal(problemOf({}), 'signature_missing')
  t.equal(problemOf(signed(), Buffer.from(body.toString().replace('org_1', 'org_2'))), 'signature_invalid')
  t.equal(problemOf(signed({ secret: other })), 'signature_invalid')
  t.equal(problemOf({ ...signed(), 'webhook-id': 'msg_2' }), 'signature_invalid', 'both forms must hold')
  t.equal(problemOf({ ...signed(), ...only(signed({ secret: other }), /x-fb/) }), 'signature_invalid')
  for (const header of ['', 't=1', 'v1=00', 't=1,t=2,v1=00', `t=1,v1=${'A'.repeat(64)}`, `t=0x1,v1=${'0'.repeat(64)}`]) t.equal(problemOf({ 'x-fb-signature': header }), 'signature_malformed', header)
  t.equal(problemOf({ 'x-fb-signature': [String(signed()['x-fb-signature']), 't=1,v1=00'] }), 'signature_malformed')
  for (const [off, expected] of [[-301, 'timestamp_out_of_tolerance'], [-300, 'none'], [300, 'none'], [301, 'timestamp_out_of_tolerance']] as const) {
    for (const form of [/x-fb/, /webhook-/]) t.equal(problemOf(only(signed({ timestampSeconds: nowMs / 1000 + off }), form)), expected, `${off} ${String(form)}`)
  }
  const text = Buffer.from('no JSON')
  t.equal(problemOf(signed({ body: text }), text), 'body_malformed')
  t.throws(() => verifyWebhook(body, signed(), 'whsec_short'), TypeError)
})
