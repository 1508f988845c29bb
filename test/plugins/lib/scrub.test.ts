import fc from 'fast-check'
import t from 'tap'
import { scrub } from '../../../plugins/lib/scrub.ts'

const HEX = '0123456789abcdef'.repeat(4)

t.test('cuts every kind of secret to what may be seen', async (t) => {
  const cases: Array<[string, string]> = [
    [`a fb_live_${HEX.slice(0, 48)} b`, 'a fb_live_0123... b'],
    [`Bearer FB_LIVE_${HEX.slice(0, 48).toUpperCase()}`, 'Bearer FB_LIVE_0123...'],
    [`fb_live_${HEX.slice(0, 5)}`, 'fb_live_0123...'],
    [`x=fbs_${HEX}`, 'x=fbs_...'],
    [`whsec_${HEX.slice(0, 48)}`, 'whsec_...'],
    ['token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln-_ end', 'token eyJ... end'],
    ['eyJhbGciOiJIUzI1NiJ9', 'eyJ...'],
    ['postgres://fb:hunter2@db:5432/fb', 'postgres://fb:...@db:5432/fb'],
    ['redis://:hunter2@10.0.0.1', 'redis://:...@10.0.0.1']
  ]
  for (const [text, wanted] of cases) t.equal(scrub(text), wanted)
  for (const text of ['fb_live_0123', 'whsec_', 'http://127.0.0.1:3000/x', 'wm_0mf3', 'nothing']) t.equal(scrub(text), text)
})

t.test('a line of JSON stays one, and what was scrubbed has nothing left to scrub', async (t) => {
  const secret = fc.constantFrom(`fb_live_${HEX.slice(0, 48)}`, `whsec_${HEX.slice(0, 48)}`, `fbs_${HEX}`, 'eyJhbGciOiJIUzI1NiJ9.e30.x', 'a://b:c@d')
  fc.assert(fc.property(fc.array(fc.tuple(fc.string(), secret), { maxLength: 4 }), (parts) => {
    const line = scrub(JSON.stringify({ msg: parts.flat().join('') }))
    JSON.parse(line)
    return scrub(line) === line && !/fb_live_[0-9a-f]{5,}|whsec_[0-9a-f]|fbs_[0-9a-f]/.test(line)
  }), { numRuns: 2000 })
})
