import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { searchAnswer, searchLogs, secretsIn } from './secrecy.ts'

const KEY = `fb_live_${'0123456789abcdef'.repeat(3)}`
const TOKEN = `eyJ${'a'.repeat(20)}.${'b'.repeat(20)}.${'c'.repeat(43)}`

t.test('the search of a run finds every kind of secret, names its place and does not repeat it', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'flowbeacon-secrecy-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  writeFileSync(join(folder, '1.log'), ['{"msg":"fine","key":"fb_live_0123"}', `{"msg":"${KEY}"}`, `{"a":"${TOKEN}"}`, `whsec_${'0'.repeat(48)}`, `fbs_${'0'.repeat(64)}`, 'CANARY-VALUE-7f3a'].join('\n'))
  writeFileSync(join(folder, 'findings.txt'), 'a test: table audit_rows: a key beyond twelve characters\n')
  const { places, lines } = searchLogs(folder)
  t.equal(lines, 7)
  t.same(places.map((place) => place.split(':').slice(0, 2).join(':').replace(/ holds.*/, '')).sort(), ['1.log:2', '1.log:3', '1.log:4', '1.log:5', '1.log:6', 'a test: table audit_rows'])
  t.notMatch(places.join('\n'), /0123456789|aaaa|0000/)
  t.same(searchLogs(join(folder, 'nothing')), { places: [], lines: 0 })
  t.same(secretsIn('fb_live_0123 wm_0abc'), [])
})

t.test('an answer may show a new secret in its own field, and nowhere else', async (t) => {
  for (const text of ['{"ok":true}', `{"data":{"result_token":"${TOKEN}"}}`, `{"data":{"signing_secret":"whsec_${'0'.repeat(48)}"}}`, '{"key_prefix":"fb_live_0123"}']) t.doesNotThrow(() => searchAnswer('GET /x', text))
  for (const text of [`{"detail":"${KEY}"}`, `{"detail":"${TOKEN}"}`, `{"x":"whsec_${'0'.repeat(48)}"}`, '{"x":"CANARY-VALUE-7f3a"}', `{"result_token":"${TOKEN}","copy":"${TOKEN}"}`]) t.throws(() => searchAnswer('GET /x', text), /the answer to GET \/x holds a/)
})
