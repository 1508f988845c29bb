import { once } from 'node:events'
import t from 'tap'
import { and, eq, isNotNull } from 'drizzle-orm'
import type { Database } from '../../db/client.ts'
import { createEvaluation, findEvaluation, findItems, type EvaluationRow, type NewItem } from '../../db/queries/evaluations.ts'
import { createOrganization } from '../../db/queries/organizations.ts'
import { ATTEMPTS_MAX, claimEvaluation, recordItem, releaseEvaluation } from '../../db/queries/system.ts'
import { evaluationItems } from '../../db/schema.ts'
import { importBlueprint } from '../../evaluation/graph/import.ts'
import type { FactGraph } from '../../evaluation/graph/types.ts'
import { startWorker, type EvaluationWorker, type WorkerOptions } from '../../evaluation/worker.ts'
import { mintRecordId, ulid } from '../../plugins/lib/record-id.ts'
import { FLOW, openEmbedded } from '../helper/service.ts'

const SECRET = Buffer.alloc(32, 1)
const { database, close } = await openEmbedded()
t.teardown(close)
const orgId = `org_${ulid()}`
await createOrganization(database.db, { id: orgId, name: 'Acme' })

const imported = importBlueprint(FLOW)
if (!imported.ok) throw new Error(imported.reason)
const { graph } = imported
const text = JSON.stringify(graph)
const item = (position: number, over: Partial<NewItem> = {}): NewItem => ({ position, scenarioId: `s${position}`, name: `n${position}`, graph: text, ...over })

async function submit (...items: NewItem[]): Promise<string> {
  const id = mintRecordId('req', orgId, SECRET)
  await database.asOrganization(orgId, (tx) => createEvaluation(tx, orgId, { id, keyId: 'key_x', items, idempotencyKey: null, requestDigest: null }))
  return id
}

function start (over: Partial<WorkerOptions> = {}) {
  const warnings: object[] = []
  const logger = { warn: (fields: object, message: string) => { warnings.push({ ...fields, text: message }) } }
  return { warnings, worker: startWorker({ database, workerId: 'w1', logger, ...over }) }
}

async function ended (id: string): Promise<EvaluationRow> {
  for (;;) {
    const row = await findEvaluation(database.db, orgId, id)
    if (row !== null && (row.state === 'complete' || row.state === 'error')) return row
    await new Promise(setImmediate)
  }
}

t.test('judges every scenario; one that fails keeps its place and a fixed sentence', async (t) => {
  const stale: FactGraph = { ...graph, factsVersion: 0 }
  const broken = { ...graph, nodes: 'CANARY' } as unknown as FactGraph
  const id = await submit(item(0), item(1, { graph: null }), item(2, { graph: JSON.stringify(stale) }), item(3, { graph: JSON.stringify(broken) }), item(4))
  const { worker, warnings } = start()
  t.match(await ended(id), { state: 'complete', total: 5, completed: 5, error: null })
  const items = await findItems(database.db, orgId, id)
  t.same(items.map(({ error }) => error), [null, 'Scenario not found', 'Scenario must be imported again', 'Scenario could not be evaluated', null])
  t.same(items.map(({ result }) => result !== null), [true, false, false, false, true])
  t.notMatch(JSON.stringify(items), /CANARY/)
  t.same(await database.db.select({ graph: evaluationItems.graph }).from(evaluationItems).where(and(eq(evaluationItems.evaluationId, id), isNotNull(evaluationItems.graph))), [], 'no graph of a request outlives its judgement')
  t.same(warnings, [])
  await worker.stop()
})

t.test('work submitted while it waits is found', async (t) => {
  const { worker } = start()
  const first = await submit(item(0))
  await ended(first)
  const second = await submit(item(0))
  worker.kick()
  t.match(await ended(second), { state: 'complete', completed: 1 })
  await worker.stop()
})

t.test('an outcome is kept under the lease only: not from another worker, not from an earlier attempt', async (t) => {
  const id = await submit(item(0))
  await claimEvaluation(database.db, { workerId: 'slow', leaseMs: -1000 })
  const again = await claimEvaluation(database.db, { workerId: 'next', leaseMs: 60_000 })
  t.match(again, { id, attempt: 2 })
  const outcome = { evaluationId: id, position: 0, result: null, standing: null, error: 'from nobody' }
  t.equal(await recordItem(database.db, { ...outcome, workerId: 'slow', attempt: 1 }), false)
  t.equal(await recordItem(database.db, { ...outcome, workerId: 'slow', attempt: 2 }), false)
  t.equal(await recordItem(database.db, { ...outcome, workerId: 'next', attempt: 1 }), false)
  t.same((await findItems(database.db, orgId, id)).map(({ error }) => error), [null])
  await releaseEvaluation(database.db, { evaluationId: id, workerId: 'next', attempt: 2 })
  const { worker } = start()
  t.match(await ended(id), { state: 'complete' })
  await worker.stop()
})

t.test('goes on where a worker that died left off, and does not judge twice', async (t) => {
  const id = await submit(item(0), item(1))
  const dead = await claimEvaluation(database.db, { workerId: 'dead', leaseMs: -1000 })
  t.equal(dead?.id, id)
  const lease = { evaluationId: id, workerId: 'dead', attempt: 1 }
  t.equal(await recordItem(database.db, { ...lease, position: 0, result: null, standing: null, error: 'kept' }), true)
  const { worker } = start()
  t.match(await ended(id), { state: 'complete', completed: 2 })
  t.same((await findItems(database.db, orgId, id)).map(({ error }) => error), ['kept', null])
  t.equal(await recordItem(database.db, { ...lease, position: 1, result: null, standing: null, error: 'late' }), false)
  await worker.stop()
})

t.test('what is under a living lease is left alone', async (t) => {
  const held = await submit(item(0))
  t.equal((await claimEvaluation(database.db, { workerId: 'other', leaseMs: 60_000 }))?.id, held)
  const { worker } = start()
  await ended(await submit(item(0)))
  t.match(await findEvaluation(database.db, orgId, held), { state: 'processing', completed: 0 })
  await worker.stop()
})

t.test('two workers share a queue, and each scenario is judged once', async (t) => {
  const ids = await Promise.all(Array.from({ length: 12 }, () => submit(item(0), item(1))))
  const workers = [start({ workerId: 'a' }), start({ workerId: 'b' })]
  for (const id of ids) t.match(await ended(id), { state: 'complete', completed: 2 })
  const attempts = await database.db.query.evaluations.findMany({ columns: { id: true, attempt: true } })
  t.same(attempts.filter(({ id, attempt }) => ids.includes(id) && attempt !== 1), [])
  await Promise.all(workers.map(({ worker }) => worker.stop()))
})

t.test('a database that is away is logged without what was bound, and does not end the worker', async (t) => {
  let isAway = true
  const events = new EventTarget()
  const unsteady: Database = new Proxy(database, {
    get (target, name, receiver) {
      if (name !== 'db' || !isAway) return Reflect.get(target, name, receiver) as unknown
      events.dispatchEvent(new Event('asked'))
      const fail = (): never => { throw Object.assign(new Error('Failed query: params: CANARY', { cause: Object.assign(new Error('CANARY'), { code: '57P01' }) })) }
      return { update: fail, transaction: fail }
    }
  })
  const asked = once(events, 'asked')
  const { worker, warnings } = start({ database: unsteady })
  await asked
  const id = await submit(item(0))
  isAway = false
  worker.kick()
  t.match(await ended(id), { state: 'complete' })
  t.match(warnings[0], { code: '57P01', text: 'the queue cannot be read' })
  t.notMatch(JSON.stringify(warnings), /CANARY/)
  await worker.stop()
})

t.test('an evaluation whose attempts are spent ends as an error, its graphs go, and what hangs on its end is told in the same transaction', async (t) => {
  const id = await submit(item(0))
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) t.equal((await claimEvaluation(database.db, { workerId: 'dead', leaseMs: -1000 }))?.id, id)
  t.equal(await claimEvaluation(database.db, { workerId: 'dead', leaseMs: -1000 }), null)
  const told: object[] = []
  const { worker } = start({ onEnded: async (_tx, one) => { told.push(one) } })
  t.match(await ended(id), { state: 'error', error: 'The evaluation could not be finished' })
  t.same(told, [{ id, orgId, state: 'error' }])
  const items = await database.db.query.evaluationItems.findMany({ where: (row, { eq }) => eq(row.evaluationId, id) })
  t.same(items.map(({ graph }) => graph), [null])
  await worker.stop()
})

t.test('an end whose consequences cannot be written has not happened: it is made again', async (t) => {
  let failures = 2
  const id = await submit(item(0))
  const { worker } = start({ leaseMs: 50, onEnded: async () => { if (failures-- > 0) throw new Error('no outbox') } })
  t.match(await ended(id), { state: 'complete' })
  t.equal(failures, -1)
  await worker.stop()
})

t.test('a stopped worker takes nothing more', async (t) => {
  const { worker } = start()
  await worker.stop()
  const id = await submit(item(0))
  worker.kick()
  t.match(await findEvaluation(database.db, orgId, id), { state: 'pending', completed: 0 })
})

t.test('what a worker claims just as it is stopped is given back with its attempt, for the next one to take at once', async (t) => {
  const id = await submit(item(0))
  let asked = 0
  const holder: { worker?: EvaluationWorker } = {}
  let tellStopped: (stopped: Promise<void> | undefined) => void
  const stopped = new Promise<Promise<void> | undefined>((resolve) => { tellStopped = resolve })
  const stopping: Database = new Proxy(database, {
    get (target, name, receiver) {
      // The second look at the queue is the claim.
      if (name === 'db' && ++asked === 2) tellStopped(holder.worker?.stop())
      return Reflect.get(target, name, receiver) as unknown
    }
  })
  const started = start({ database: stopping, concurrency: 1 })
  holder.worker = started.worker
  await stopped
  t.same(await database.db.query.evaluations.findFirst({ columns: { state: true, attempt: true, leaseWorker: true, leaseUntil: true }, where: (row, { eq }) => eq(row.id, id) }),
    { state: 'pending', attempt: 0, leaseWorker: null, leaseUntil: null })
  t.same(started.warnings, [])
  const next = start({ workerId: 'w2' })
  t.match(await ended(id), { state: 'complete', completed: 1 })
  await next.worker.stop()
})

t.test('of twenty workers that claim at once one gets an evaluation, and a claim that lapsed is gone', async (t) => {
  const id = await submit(item(0))
  const claims = await Promise.all(Array.from({ length: 20 }, (_, n) => claimEvaluation(database.db, { workerId: `w${n}`, leaseMs: 60_000 })))
  const winners = claims.filter((claim) => claim !== null)
  t.match(winners, [{ id, attempt: 1 }])
  t.equal(winners.length, 1)
  const winner = { evaluationId: id, workerId: `w${claims.findIndex((claim) => claim !== null)}`, attempt: 1 }
  await releaseEvaluation(database.db, { ...winner, workerId: 'somebody' })
  t.match(await findEvaluation(database.db, orgId, id), { state: 'processing' }, 'only the holder gives back')
  await releaseEvaluation(database.db, winner)
  t.match(await findEvaluation(database.db, orgId, id), { state: 'pending' })
  const { worker } = start()
  await ended(id)
  await releaseEvaluation(database.db, winner)
  t.match(await findEvaluation(database.db, orgId, id), { state: 'complete' }, 'and only what it still holds')
  await worker.stop()
})

t.test('a concurrency that is no whole number above zero is refused', async (t) => {
  for (const concurrency of [0, -1, 1.5, Number.NaN]) t.throws(() => start({ concurrency }), TypeError)
})
