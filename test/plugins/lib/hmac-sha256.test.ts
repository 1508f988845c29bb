import { createHmac, randomBytes } from 'node:crypto'
import t from 'tap'
import { seededRandom } from '../../../bench/seeded.ts'
import { hmacSha256Hex } from '../../../plugins/lib/hmac-sha256.ts'

t.test('the vectors of RFC 4231', async (t) => {
  const vectors: Array<[Buffer, Buffer, string]> = [
    [Buffer.alloc(20, 0x0b), Buffer.from('Hi There'), 'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7'],
    [Buffer.from('Jefe'), Buffer.from('what do ya want for nothing?'), '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843'],
    [Buffer.alloc(20, 0xaa), Buffer.alloc(50, 0xdd), '773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe'],
    [Buffer.alloc(131, 0xaa), Buffer.from('Test Using Larger Than Block-Size Key - Hash Key First'), '60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54']
  ]
  for (const [key, message, mac] of vectors) {
    t.equal(hmacSha256Hex(key, '', message), mac)
    t.equal(hmacSha256Hex(key, message.toString('latin1')), mac)
  }
})

t.test('equals the streaming MAC whatever the key, the text and the body', async (t) => {
  const random = seededRandom(7)
  const bytes = (max: number): Buffer => randomBytes(Math.floor(random() * (max + 1)))
  for (let n = 0; n < 2000; n++) {
    const [key, text, body] = [bytes(80), bytes(300).toString('latin1'), bytes(n % 50 === 0 ? 20_000 : 1200)]
    const expected = createHmac('sha256', key).update(text, 'latin1').update(body).digest('hex')
    if (hmacSha256Hex(key, text, body) !== expected || hmacSha256Hex(key.toString('latin1'), text, body) !== expected) t.fail(`key ${key.length}, text ${text.length}, body ${body.length}`)
  }
})
