import t from 'tap'
import { asc } from 'drizzle-orm'
import { arrayLiteral, auditParameters } from '../../db/audit-statement.ts'
import { insertAuditRows } from '../../db/queries/system.ts'
import { auditRows } from '../../db/schema.ts'
import type { AuditRow } from '../../plugins/context.ts'
import { embedded, openStores, real, type Stores } from '../helper/service.ts'

const AT = new Date(Math.floor(Date.now() / 1000) * 1000)

function row (number: number, more: Partial<AuditRow> = {}): AuditRow {
  return {
    watermark: `wm_${String(number).padStart(36, '0')}`,
    at: AT,
    orgId: 'org_1',
    keyId: 'key_1',
    keyPrefix: 'fb_live_0000',
    method: 'GET',
    route: '/a',
    pathHash: '0'.repeat(32),
    status: 200,
    code: null,
    reason: null,
    ip: '192.0.2.1',
    userAgent: null,
    instance: 'local',
    degraded: false,
    jti: null,
    actor: null,
    ...more
  }
}

/** By what its columns have in common. */
const BATCHES: Record<string, AuditRow[]> = {
  'one row': [row(1)],
  'rows that are alike': [row(2), row(3), row(4)],
  'a column of nulls but for the last': [row(5), row(6), row(7, { code: 'rate_limited', reason: 'minute', userAgent: 'a', jti: 'j', actor: 'session:a' })],
  'a column of nulls but for the first': [row(8, { code: 'rate_limited', orgId: null, keyId: null, keyPrefix: null }), row(9), row(10)],
  'what a literal must escape': [row(11, { userAgent: 'a "b" \\c, {d} NULL' }), row(12, { userAgent: 'NULL' }), row(13, { userAgent: '' }), row(14, { userAgent: '  ' })],
  'the same to escape in all': [row(15, { userAgent: '"\\"' }), row(16, { userAgent: '"\\"' })],
  'other times and flags': [row(17, { at: new Date(AT.getTime() + 1) }), row(18, { degraded: true, status: 503, ip: '2001:db8::1' })]
}

async function suite (stores: Stores): Promise<void> {
  await t.test(`what is written is read again on ${stores.name}`, async (t) => {
    t.comment(`stores: ${stores.name}`)
    const { database, close } = await openStores(stores)
    t.teardown(close)
    for (const [name, rows] of Object.entries(BATCHES)) {
      await insertAuditRows(database, rows)
      const written = await database.db.select().from(auditRows).orderBy(asc(auditRows.watermark))
      t.match(written.slice(-rows.length), rows, name)
    }
  })
}

const stores = await real()
await suite(embedded())
if (stores === null) t.test('the same on PostgreSQL', { skip: 'no PostgreSQL and Redis answered (TEST_DATABASE_URL, TEST_REDIS_URL)' }, async () => {})
else await suite(stores)

t.test('columns that are alike cost little, and nulls nothing', async (t) => {
  const parameters = auditParameters([row(1), row(2)])
  t.equal(parameters[2], '{"org_1","org_1"}')
  t.equal(parameters[9], '{}')
  t.equal(arrayLiteral([]), '{}')
  t.equal(arrayLiteral([null, null]), '{NULL,NULL}', 'a list of nulls keeps its length where it is one')
})
