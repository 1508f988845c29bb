import { createHmac } from 'node:crypto'
import t from 'tap'
import { Webhook as StandardWebhook } from 'standardwebhooks'
import { generateSigningSecret, signWebhook, verifyWebhook } from '../../plugins/lib/webhook-signature.ts'

const NOW_SECONDS = Math.floor(Date.now() / 1000)
const body = Buffer.from(JSON.stringify({ event: 'evaluation.complete', evaluation_id: 'req_1', note: 'é ✓' }))
const secret = generateSigningSecret()
const signed = signWebhook({ secret, messageId: 'msg_1', timestampSeconds: NOW_SECONDS, body })
const header = signed['x-fb-signature'] ?? ''

function standardAccepts (headers: Record<string, string>, bytes: Buffer, key = secret): boolean {
  try {
    new StandardWebhook(key).verify(bytes, headers)
    return true
  } catch {
    return false
  }
}

// What a receiver without any library writes, from the published sentence alone.
function handAccepts (value: string, bytes: Buffer, key = secret): boolean {
  const [, timestamp, mac] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(value) ?? []
  if (timestamp === undefined || mac === undefined || Math.abs(NOW_SECONDS - Number(timestamp)) > 300) return false
  return createHmac('sha256', key).update(`${timestamp}.${bytes.toString()}`).digest('hex') === mac
}

t.test('a genuine delivery is accepted by the official library, by a hand verifier and by ours', async (t) => {
  t.ok(standardAccepts(signed, body))
  t.ok(handAccepts(header, body))
  t.ok(verifyWebhook(header, secret, body, NOW_SECONDS))
})

t.test('every single changed byte of the body is refused by all three', async (t) => {
  for (let at = 0; at < body.length; at++) {
    const changed = Buffer.from(body)
    changed[at] = (changed[at] ?? 0) ^ 1
    if (standardAccepts(signed, changed) || handAccepts(header, changed) || verifyWebhook(header, secret, changed, NOW_SECONDS)) t.fail(`byte ${at}`)
  }
  for (const other of [Buffer.alloc(0), body.subarray(1), Buffer.concat([body, Buffer.from(' ')])]) {
    t.notOk(standardAccepts(signed, other) || handAccepts(header, other) || verifyWebhook(header, secret, other, NOW_SECONDS))
  }
})

t.test('another secret, another message id, another time: refused', async (t) => {
  const stranger = generateSigningSecret()
  t.notOk(standardAccepts(signed, body, stranger) || handAccepts(header, body, stranger) || verifyWebhook(header, stranger, body, NOW_SECONDS))
  t.notOk(standardAccepts({ ...signed, 'webhook-id': 'msg_2' }, body))
  t.notOk(standardAccepts({ ...signed, 'webhook-timestamp': String(NOW_SECONDS + 1) }, body))
  const moved = header.replace(/t=\d+/, `t=${NOW_SECONDS + 1}`)
  t.notOk(handAccepts(moved, body) || verifyWebhook(moved, secret, body, NOW_SECONDS))
})

t.test('a recorded delivery presented later is refused: 300 seconds are in, 301 are out', async (t) => {
  for (const [age, accepted] of [[0, true], [300, true], [301, false], [-300, true], [-301, false], [86_400, false]] as const) {
    const old = signWebhook({ secret, messageId: 'msg_1', timestampSeconds: NOW_SECONDS - age, body })
    t.equal(verifyWebhook(old['x-fb-signature'] ?? '', secret, body, NOW_SECONDS), accepted, `${age} s`)
    if (Math.abs(age) > 302) t.notOk(standardAccepts(old, body))
  }
})

t.test('a header of another shape is refused, never repaired', async (t) => {
  const mac = header.slice(header.indexOf('v1=') + 3)
  const time = `t=${NOW_SECONDS}`
  for (const value of ['', time, `v1=${mac}`, `${time},v1=`, `${time},v1=${mac.toUpperCase()}`, `${time},v1=${mac.slice(2)}`, `${time},v0=${mac}`, `t=,v1=${mac}`, `${time},${time},v1=${mac}`, `t=0${NOW_SECONDS},v1=${mac}`]) {
    t.notOk(verifyWebhook(value, secret, body, NOW_SECONDS), value)
  }
})

t.test('a secret of another shape, or a message id with a dot, cannot be signed with', async (t) => {
  for (const bad of ['', 'whsec_', `whsec_${'0'.repeat(47)}`, `whsec_${'G'.repeat(48)}`]) t.throws(() => signWebhook({ secret: bad, messageId: 'msg_1', timestampSeconds: 1, body }), TypeError)
  t.throws(() => signWebhook({ secret, messageId: 'a.b', timestampSeconds: 1, body }), TypeError)
})
