import t from 'tap'
import proof from '../../../bench/proof/flood.ts'
import { NotHereError, type Figure } from '../../../bench/proof-definition.ts'

const COUNT = Number(process.env['PROOF_COUNT'] ?? 2000)

t.test(`a flood of bad keys leaves nothing behind: ${COUNT} of ${proof.count}`, async (t) => {
  let figures: Figure[] = []
  try {
    figures = await proof.run({ count: COUNT, seed: Date.now() % 2 ** 31, progress () {} })
  } catch (err) {
    if (!(err instanceof NotHereError)) throw err
    t.comment(err.message)
    return
  }
  for (const { what, value, bar, ok } of figures) {
    // How much slower good callers are is a figure of the full proof; a machine that is busy otherwise is no defect.
    if (ok === undefined || /throughput|median|p99|memory/.test(what)) t.comment(`${what}: ${value}`)
    else t.ok(ok, `${what}: ${value}, bar ${bar ?? ''}`)
  }
})
