import t from 'tap'
import { createEvaluation } from '../../../db/queries/evaluations.ts'
import { createOrganization } from '../../../db/queries/organizations.ts'
import { claimEvaluation } from '../../../db/queries/system.ts'
import { mintRecordId } from '../../../plugins/lib/record-id.ts'
import { SECRET } from '../../helper/bare.ts'
import { openEmbedded } from '../../helper/service.ts'

t.test('a claim that lapsed is the next worker\'s to take, and one that lives is not', async (t) => {
  const { database, close } = await openEmbedded()
  t.teardown(close)
  await createOrganization(database.db, { id: 'org_1', name: 'One' })
  const id = mintRecordId('req', 'org_1', SECRET)
  await database.asOrganization('org_1', (tx) => createEvaluation(tx, 'org_1', { id, keyId: 'key_1', items: [{ position: 0, scenarioId: 'a', name: 'A', graph: null }], idempotencyKey: null, requestDigest: 'd' }))
  t.match(await claimEvaluation(database.db, { workerId: 'dead', leaseMs: -1 }), { id, attempt: 1 })
  t.match(await claimEvaluation(database.db, { workerId: 'next', leaseMs: 60_000 }), { id, attempt: 2 })
  t.equal(await claimEvaluation(database.db, { workerId: 'third', leaseMs: 60_000 }), null)
})
