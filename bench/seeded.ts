/** Random numbers that a seed repeats: 32-bit xorshift (Marsaglia 2003), for inputs of proofs and measurements, never for secrets. */
export function seededRandom (seed: number): () => number {
  let state = (seed ^ 0x9e3779b9) >>> 0
  if (state === 0) state = 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    state >>>= 0
    return state / 2 ** 32
  }
}
