/** Which of a Redis Cluster's 16384 slots a key belongs to: CRC-16/XMODEM of its hash tag, or of the whole key (cluster specification, "Key distribution model"). */
const SLOTS = 16384
const POLYNOMIAL = 0x1021

const TABLE = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8
  for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ POLYNOMIAL
  return crc
})

export function hashSlotOf (key: string): number {
  let crc = 0
  for (const byte of Buffer.from(hashTagOf(key))) crc = ((crc << 8) ^ (TABLE[((crc >>> 8) ^ byte) & 0xff] ?? 0)) & 0xffff
  return crc % SLOTS
}

/** What of a key decides its slot: the text between the first `{` and the next `}`, when there is any. */
export function hashTagOf (key: string): string {
  const open = key.indexOf('{')
  const close = open === -1 ? -1 : key.indexOf('}', open + 1)
  return close > open + 1 ? key.slice(open + 1, close) : key
}
