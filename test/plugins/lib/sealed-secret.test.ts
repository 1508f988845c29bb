import { randomBytes } from 'node:crypto'
import t from 'tap'
import { currentVersion, openSecret, parseMasterKeys, sealSecret, versionOf } from '../../../plugins/lib/sealed-secret.ts'

const one = randomBytes(32)
const two = randomBytes(32)
const keys = new Map([[1, one]])

t.test('a sealed secret opens with its key in its context, and in no other', async (t) => {
  const sealed = sealSecret('whsec_x', 'sub_1', keys)
  t.equal(openSecret(sealed, 'sub_1', keys), 'whsec_x')
  t.throws(() => openSecret(sealed, 'sub_2', keys), 'copied to another row it does not open')
  t.throws(() => openSecret(sealed, 'sub_1', new Map([[1, two]])))
  t.throws(() => openSecret(sealed, 'sub_1', new Map([[2, one]])), { message: 'the master key of version 1 is not configured' })
  t.notMatch(sealed, /whsec/)
  t.not(sealSecret('whsec_x', 'sub_1', keys), sealed, 'each sealing has a nonce of its own')
})

t.test('every changed character of a sealed secret is noticed', async (t) => {
  const sealed = sealSecret('whsec_x', 'sub_1', keys)
  for (let at = 0; at < sealed.length; at++) {
    const changed = sealed.slice(0, at) + (sealed[at] === 'A' ? 'B' : 'A') + sealed.slice(at + 1)
    // The last character of base64url may hold unused bits.
    if (Buffer.from(changed.split('.')[2] ?? '', 'base64url').equals(Buffer.from(sealed.split('.')[2] ?? '', 'base64url')) && at > 19) continue
    t.throws(() => openSecret(changed, 'sub_1', keys), `character ${at}`)
  }
  for (const text of ['', 'x', sealed.slice(0, 10), `${sealed}.x`]) t.throws(() => openSecret(text, 'sub_1', keys), { message: 'a sealed secret is damaged' })
})

t.test('the highest version seals and every one opens', async (t) => {
  const old = sealSecret('a', 'c', keys)
  const both = new Map([[2, two], [1, one]])
  const fresh = sealSecret('b', 'c', both)
  t.equal(currentVersion(both), 2)
  t.same([versionOf(old), versionOf(fresh)], [1, 2])
  t.same([openSecret(old, 'c', both), openSecret(fresh, 'c', both)], ['a', 'b'])
  t.ok(Number.isNaN(versionOf('nonsense')))
})

t.test('master keys are read strictly, and no error holds one', async (t) => {
  const hex = one.toString('hex')
  t.same([...parseMasterKeys(`2:${two.toString('hex')}, 1:${hex}`).keys()], [2, 1])
  for (const text of ['', hex, `1:${hex.slice(2)}`, `0:${hex}`, `1:${hex},`, `1:${hex},1:${hex}`, `1:${'ab'.repeat(32)}`, `v1:${hex}`]) {
    try {
      parseMasterKeys(text)
      t.fail(text)
    } catch (err) {
      t.notMatch(String(err), hex.slice(0, 16))
    }
  }
})
