import t from 'tap'
import { isRefOf, mintRef, openRef } from '../../../plugins/lib/finding-ref.ts'
import { mintWatermark, verifyWatermark } from '../../../plugins/lib/watermark-id.ts'

const secret = Buffer.alloc(32, 5)

t.test('a reference gives back the watermark of its answer and knows its finding', async (t) => {
  const watermark = mintWatermark(secret)
  const ref = mintRef(watermark, 'f1', secret)
  t.match(ref, /^vr_[0-9a-z]{44}$/)
  const opened = openRef(ref, secret)
  t.equal(opened?.watermark, watermark)
  t.ok(opened !== null && verifyWatermark(opened.watermark, secret))
  t.ok(opened !== null && isRefOf(opened, 'f1', secret) && !isRefOf(opened, 'f2', secret))
})

t.test('references of one finding in two answers share nothing, and another key opens none', async (t) => {
  const [one, two] = [mintRef(mintWatermark(secret), 'f1', secret), mintRef(mintWatermark(secret), 'f1', secret)]
  t.not(one.slice(-16), two.slice(-16))
  t.equal(openRef(one, Buffer.alloc(32, 6)), null)
  t.notOk(one.includes(mintWatermark(secret).slice(-8)))
})

t.test('no altered reference opens', async (t) => {
  const ref = mintRef(mintWatermark(secret), 'f1', secret)
  for (let at = 3; at < ref.length; at++) {
    const changed = ref.slice(0, at) + (ref[at] === 'a' ? 'b' : 'a') + ref.slice(at + 1)
    t.equal(openRef(changed, secret), null, `character ${at}`)
  }
  for (const text of ['', 'vr_', ref.slice(0, -1), `${ref}0`, ref.toUpperCase(), ref.replace('vr_', 'wm_')]) t.equal(openRef(text, secret), null)
  t.throws(() => mintRef('wm_short', 'f1', secret), TypeError)
})
