/** Steps of the demonstration that evaluate: one batch in every detail, then the rest, until each imported scenario has its verdict. */
import { BATCH_SCENARIOS, dataOf, listOf, verdictOf, watermarkOf, type Batch, type EvaluatedScenario, type Partner } from './partner.ts'
import { showProgress, type Report, type Row } from './report.ts'
import type { Setup } from './setup.ts'

/** Batches under way at a time: their tokens live 900 seconds, so a large folder is not accepted all at once. */
const BATCHES_UNDER_WAY = 20

export interface Verdicts {
  rows: Row[]
  /** Watermark of the answer that carried the first batch's results. */
  watermark: string
}

export async function evaluateEverything (report: Report, partner: Partner, { scenarios }: Setup): Promise<Verdicts> {
  const chunks = chunksOf(scenarios.map(({ id }) => id))
  const verdicts: Verdicts = { rows: [], watermark: '' }
  const [first, ...rest] = chunks
  if (first === undefined) return verdicts
  await firstBatch(report, partner, first, verdicts)
  if (rest.length > 0) await otherBatches(report, partner, rest, verdicts)
  await report.step('Every imported scenario has a verdict', async () => {
    const judged = verdicts.rows.filter(({ error, score }) => error === null && score !== null).length
    return { expected: `${scenarios.length} of ${scenarios.length} evaluated`, met: judged === scenarios.length, got: `${judged} evaluated` }
  })
  return verdicts
}

async function firstBatch (report: Report, partner: Partner, scenarioIds: string[], verdicts: Verdicts): Promise<void> {
  let batch: Batch | null = null
  await report.step(`Signed POST /evaluate with ${counted(scenarioIds.length, 'scenario')}`, async () => {
    const evaluated = await partner.evaluate(scenarioIds)
    batch = evaluated.batch
    return { expected: '200 with evaluation_id and result_token', met: batch !== null, got: `${verdictOf(evaluated.answer)} ${batch?.evaluationId ?? ''}` }
  })
  // Narrowing does not see the assignment inside the step.
  const accepted = batch as Batch | null
  if (accepted === null) return
  let scenarios: EvaluatedScenario[] = []
  await report.step('Poll GET /evaluations/{evaluation_id}', async () => {
    const polled = await partner.poll(accepted, (status, completed, total) => showProgress(`${status}: ${completed} of ${total}`))
    scenarios = polled.scenarios
    return { expected: 'status complete', met: polled.status === 'complete', got: `status ${polled.status}, ${counted(scenarios.length, 'scenario')}` }
  })
  await report.step('GET /results/{token}: the token alone, no key', async () => {
    const answer = await partner.redeem(accepted)
    verdicts.watermark = watermarkOf(answer)
    verdicts.rows.push(...rowsOf(scenarios, listOf(dataOf(answer)['scenarios'])))
    return { expected: '200 with the full results', met: answer.status === 200 && verdicts.rows.length === scenarioIds.length, got: `${verdictOf(answer)}, watermark ${verdicts.watermark}` }
  })
  await report.step('The same token again', async () => {
    const answer = await partner.redeem(accepted)
    return { expected: '410 result_token_used', met: verdictOf(answer) === '410 result_token_used', got: verdictOf(answer) }
  })
}

async function otherBatches (report: Report, partner: Partner, chunks: string[][], verdicts: Verdicts): Promise<void> {
  const total = chunks.reduce((sum, chunk) => sum + chunk.length, 0)
  let done = 0
  await report.step(`The remaining ${counted(total, 'scenario')} in ${counted(chunks.length, 'request')}`, async () => {
    for (let start = 0; start < chunks.length; start += BATCHES_UNDER_WAY) {
      const batches: Batch[] = []
      for (const chunk of chunks.slice(start, start + BATCHES_UNDER_WAY)) {
        const { answer, batch } = await partner.evaluate(chunk)
        if (batch === null) throw new Error(`POST /evaluate answered ${verdictOf(answer)}`)
        batches.push(batch)
        showProgress(`requested ${batches.length}; ${done} of ${total} evaluated`)
      }
      for (const batch of batches) {
        const { status, scenarios } = await partner.poll(batch, (_status, completed) => showProgress(`${done + completed} of ${total} evaluated`))
        const answer = await partner.redeem(batch)
        if (status !== 'complete' || answer.status !== 200) throw new Error(`${batch.evaluationId}: status ${status}, results ${verdictOf(answer)}`)
        verdicts.rows.push(...rowsOf(scenarios, listOf(dataOf(answer)['scenarios'])))
        done += batch.scenarioIds.length
      }
    }
    return { expected: `${counted(chunks.length, 'batch', 'batches')} complete, each result fetched once`, met: true, got: counted(done, 'scenario') }
  })
}

/** Only what the table needs is kept of a result. */
function rowsOf (scenarios: readonly EvaluatedScenario[], results: ReturnType<typeof listOf>): Row[] {
  const byId = new Map(results.map((result) => [String(result['id'] ?? result['scenario_id']), result]))
  return scenarios.map(({ id, name, score, gaps, error }) => {
    const severities: Record<string, number> = {}
    for (const { severity } of listOf(byId.get(id)?.['violations'])) severities[String(severity)] = (severities[String(severity)] ?? 0) + 1
    return { name, score, gaps, severities, error: byId.has(id) ? error : error ?? 'missing in the results' }
  })
}

function counted (count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`
}

function chunksOf (ids: readonly string[]): string[][] {
  const chunks: string[][] = []
  for (let start = 0; start < ids.length; start += BATCH_SCENARIOS) chunks.push(ids.slice(start, start + BATCH_SCENARIOS))
  return chunks
}
