import t from 'tap'
import type { ClaimedDelivery } from '../../db/queries/delivery-queue.ts'
import type { EvaluationRow, ItemRow } from '../../db/queries/evaluations.ts'
import { evaluateGraph } from '../../evaluation/evaluate.ts'
import { importBlueprint } from '../../evaluation/graph/import.ts'
import { newDelivery, payloadOf } from '../../evaluation/webhook-events.ts'
import { belongsTo } from '../../plugins/lib/record-id.ts'
import { verifyWatermark } from '../../plugins/lib/watermark-id.ts'
import { FLOW } from '../helper/service.ts'

const secrets = { watermark: Buffer.alloc(32, 1), recordId: Buffer.alloc(32, 2) }
const imported = importBlueprint(FLOW)
if (!imported.ok) throw new Error(imported.reason)
const at = new Date(0)
const evaluation: EvaluationRow = { id: 'req_1', state: 'complete', total: 2, completed: 2, error: null, createdAt: at, completedAt: at }
const items: ItemRow[] = [
  { position: 0, scenarioId: 'scn_1', name: 'Orders', result: evaluateGraph(imported.graph), error: null, finishedAt: at },
  { position: 1, scenarioId: 'scn_2', name: 'Broken', result: null, error: 'Scenario not found', finishedAt: at }
]

function claimed (over: Partial<ClaimedDelivery> = {}): ClaimedDelivery {
  const made = newDelivery('org_1', 'sub_1', { event: 'evaluation.complete', evaluationId: 'req_1' }, secrets)
  return { orgId: 'org_1', subject: null, attempts: 0, attemptsMax: 4, url: '', sealedSecret: null, ...made, ...over } as ClaimedDelivery
}

t.test('a delivery has an id of its organization and a watermark of its own', async (t) => {
  const first = newDelivery('org_1', 'sub_1', { event: 'webhook.ping', evaluationId: null }, secrets)
  const again = newDelivery('org_1', 'sub_1', { event: 'webhook.ping', evaluationId: null }, secrets, first.messageId)
  t.ok(belongsTo(first.id, 'dlv', 'org_1', secrets.recordId))
  t.ok(verifyWatermark(first.watermark, secrets.watermark))
  t.equal(again.messageId, first.messageId)
  t.not(again.watermark, first.watermark)
})

t.test('the same delivery is the same bytes each time, and another delivery has other references only', async (t) => {
  const delivery = claimed()
  const finished = { evaluation, items, suppressor: () => null }
  t.ok(payloadOf(delivery, finished, secrets.watermark).equals(payloadOf(delivery, finished, secrets.watermark)))
  const [one, other] = [delivery, claimed()].map((each) => payloadOf(each, finished, secrets.watermark).toString())
  t.not(one, other)
  t.equal(one?.replace(/vr_\w+/g, ''), other?.replace(/vr_\w+/g, ''))
})

t.test('a scenario that failed keeps its place with its error, and an evaluation that failed carries its own', async (t) => {
  const payload = JSON.parse(payloadOf(claimed({ event: 'evaluation.error' }), { evaluation: { ...evaluation, state: 'error', error: 'The evaluation could not be finished' }, items, suppressor: () => null }, secrets.watermark).toString())
  t.match(payload, { event: 'evaluation.error', evaluation_id: 'req_1', organization_id: 'org_1', error: 'The evaluation could not be finished' })
  t.same(payload.scenarios[1], { id: 'scn_2', name: 'Broken', error: 'Scenario not found' })
})

t.test('an event without an evaluation says what it is about', async (t) => {
  const payload = JSON.parse(payloadOf(claimed({ event: 'webhook.ping', evaluationId: null, subject: { webhook_id: 'sub_1' } }), null, secrets.watermark).toString())
  t.same(payload, { event: 'webhook.ping', organization_id: 'org_1', webhook_id: 'sub_1' })
})
