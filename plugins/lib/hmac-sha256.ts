/**
 * HMAC-SHA-256 (RFC 2104, FIPS 180-4) of short messages by two one-shot digests over blocks that are laid out here: half the time of a
 * streaming MAC, which makes an object, a native handle and three buffers for every call. Long messages are streamed.
 */
import { createHmac, hash } from 'node:crypto'

const BLOCK_BYTES = 64
const DIGEST_BYTES = 32
/** Four bytes of each padding at a time. */
const INNER_PAD = 0x36363636
const OUTER_PAD = 0x5c5c5c5c
/** Longer messages cost more to copy than a streaming MAC costs to make. */
const SHORT_BYTES_MAX = 8192
const EMPTY = Buffer.alloc(0)

// Nothing between the first write and the last read can be interrupted, so all calls share these.
const inner = Buffer.from(new ArrayBuffer(BLOCK_BYTES + SHORT_BYTES_MAX))
const outer = Buffer.from(new ArrayBuffer(BLOCK_BYTES + DIGEST_BYTES))
const innerKey = new Uint32Array(inner.buffer, 0, BLOCK_BYTES / 4)
const outerKey = new Uint32Array(outer.buffer, 0, BLOCK_BYTES / 4)
/** By the bytes of the message: a view is made once, not for every call. Most messages are as short. */
const innerOf = Array.from({ length: 256 }, (_, bytes) => inner.subarray(0, BLOCK_BYTES + bytes))

/**
 * The MAC of `text` followed by `body`, 64 lowercase hex characters. Every character of the key and the text is one byte (Latin-1), as
 * in HTTP header fields and request targets.
 */
export function hmacSha256Hex (key: string | Buffer, text: string, body: Buffer = EMPTY): string {
  const bytes = text.length + body.length
  if (key.length > BLOCK_BYTES || bytes > SHORT_BYTES_MAX) {
    const whole = typeof key === 'string' ? Buffer.from(key, 'latin1') : key
    return createHmac('sha256', whole).update(text, 'latin1').update(body).digest('hex')
  }
  innerKey.fill(0)
  if (typeof key === 'string') inner.write(key, 0, 'latin1')
  else inner.set(key)
  for (let at = 0; at < innerKey.length; at++) {
    const bytes = innerKey[at] ?? 0
    innerKey[at] = bytes ^ INNER_PAD
    outerKey[at] = bytes ^ OUTER_PAD
  }
  inner.write(text, BLOCK_BYTES, 'latin1')
  body.copy(inner, BLOCK_BYTES + text.length)
  outer.write(hash('sha256', innerOf[bytes] ?? inner.subarray(0, BLOCK_BYTES + bytes), 'binary'), BLOCK_BYTES, 'latin1')
  return hash('sha256', outer, 'hex')
}
