import t from 'tap'
import proof from '../../../bench/proof/raw-fuzz.ts'

const COUNT = Number(process.env['PROOF_COUNT'] ?? 8000)

t.test(`${proof.summary}: ${COUNT} of ${proof.count}`, async (t) => {
  const figures = await proof.run({ count: COUNT, seed: Date.now() % 2 ** 31, progress () {} })
  for (const { what, value, bar, ok } of figures) {
    // Growth means something only after a warm-up that would take longer than this test may.
    if (ok === undefined || what.startsWith('resident memory')) t.comment(`${what}: ${value}`)
    else t.ok(ok, `${what}: ${value}, bar ${bar ?? ''}`)
  }
})
