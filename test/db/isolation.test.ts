import t from 'tap'
import { sql } from 'drizzle-orm'
import postgres from 'postgres'
import { openDatabase, safeDatabaseError, type Database, type Db } from '../../db/client.ts'
import { createEvaluation, deleteRedemption, findEvaluation, findItems, insertRedemption } from '../../db/queries/evaluations.ts'
import { endKey, insertKey, listKeys, lockKey } from '../../db/queries/keys.ts'
import { createOrganization } from '../../db/queries/organizations.ts'
import { rowsOf } from '../../db/rows.ts'
import { claimEvaluation, finishEvaluation, insertAuditRows, renewLease } from '../../db/queries/system.ts'
import { apiKeys, auditRows, evaluations, organizations } from '../../db/schema.ts'
import { embedded, real } from '../helper/service.ts'

async function codeOf (work: Promise<unknown>): Promise<string | undefined> {
  try {
    await work
    return 'done'
  } catch (err) {
    return safeDatabaseError(err).code
  }
}

// As the owner of the tables, whom neither row-level security nor a missing grant holds up.
async function asOwner (database: Database, url: string, statement: string): Promise<string | undefined> {
  if (database.kind === 'postgres') {
    const owner = postgres(url, { max: 1, onnotice: () => {} })
    try {
      return await codeOf(owner.unsafe(statement))
    } finally {
      await owner.end({ timeout: 1 })
    }
  }
  await database.db.execute(sql`reset role`)
  try {
    return await codeOf(database.db.execute(sql.raw(statement)))
  } finally {
    await database.db.execute(sql`set role flowbeacon_system`)
  }
}

function suite (name: string, url: string, drop: () => Promise<void>): void {
  t.test(`organizations are walled off on ${name}`, async (t) => {
    t.comment(`stores: ${name}`)
    const database = await openDatabase({ url })
    t.teardown(async () => {
      await database.close()
      await drop()
    })
    await (database.kind === 'postgres' ? Promise.all([1, 2, 3, 4].map(() => database.migrate())) : database.migrate())
    await database.migrate()
    await fill(database)

    await t.test('a query without a condition sees one organization only', async (t) => {
      const seen = await database.asOrganization('org_a', async (tx) => ({
        organizations: (await tx.select().from(organizations)).map(({ id }) => id),
        keys: (await tx.select({ org: apiKeys.orgId }).from(apiKeys)).map(({ org }) => org),
        evaluations: (await tx.select({ org: evaluations.orgId }).from(evaluations)).map(({ org }) => org),
        rows: (await tx.select({ org: auditRows.orgId }).from(auditRows)).map(({ org }) => org)
      }))
      t.same(seen, { organizations: ['org_a'], keys: ['org_a'], evaluations: ['org_a'], rows: ['org_a'] })
    })

    await t.test('nothing is written for another organization', async (t) => {
      t.equal(await codeOf(database.asOrganization('org_a', (tx) => insertRedemption(tx, 'org_b', { jti: 'x', evaluationId: 'e', watermark: 'w' }))), '42501')
    })

    await t.test('partner work names an organization', async (t) => {
      await t.rejects(database.asOrganization('', async () => {}), { message: /needs one/ })
    })

    await t.test('audit rows cannot be changed or deleted, nor keys widened', async (t) => {
      for (const statement of ['update audit_rows set status = 200', 'delete from audit_rows', "update api_keys set permissions = '{admin}'"]) {
        t.equal(await codeOf(database.asOrganization('org_a', (tx) => tx.execute(sql.raw(statement)))), '42501', statement)
      }
      for (const statement of ['update audit_rows set status = 200', 'delete from audit_rows']) t.equal(await codeOf(database.db.execute(sql.raw(statement))), '42501', statement)
    })

    await t.test('audit rows cannot be changed or deleted by the owner of the table either', async (t) => {
      for (const statement of ['update audit_rows set status = 200', 'delete from audit_rows']) t.equal(await asOwner(database, url, statement), '42501', statement)
    })

    await t.test('every table that knows an organization is under forced row-level security', async (t) => {
      const tables = rowsOf(await database.db.execute(sql`select relname as name, relrowsecurity and relforcerowsecurity as forced from pg_class
        where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition
          and exists (select 1 from pg_attribute where attrelid = pg_class.oid and attname = 'org_id' and not attisdropped)`))
      t.ok(tables.length >= 7, `${tables.length} tables`)
      t.same(tables.filter(({ forced }) => forced !== true).map(({ name }) => name), [])
    })

    await t.test('a query takes the organization also where nothing else walls it off', async (t) => {
      const { db } = database
      await database.asOrganization('org_b', (tx) => insertRedemption(tx, 'org_b', { jti: 'theirs', evaluationId: 'req_b', watermark: 'w' }))
      t.equal(await findEvaluation(db, 'org_a', 'req_b'), null)
      t.same(await findItems(db, 'org_a', 'req_b'), [])
      t.same((await listKeys(db, 'org_a')).map(({ orgId }) => orgId), ['org_a'])
      t.equal(await lockKey(db, 'org_a', 'key_b'), null)
      await t.rejects(endKey(db, 'org_a', 'key_b', { actor: 'test', reason: 'test', at: new Date() }), { message: /not there/ })
      t.equal(await database.asOrganization('org_b', (tx) => deleteRedemption(tx, 'org_a', { jti: 'theirs', watermark: 'w' })), false)
      t.not(await findEvaluation(db, 'org_b', 'req_b'), null)
    })

    await t.test('of fifty redemptions of one token one is kept', async (t) => {
      const kept = await Promise.all(Array.from({ length: 50 }, (_, index) =>
        database.asOrganization('org_a', (tx) => insertRedemption(tx, 'org_a', { jti: 'one', evaluationId: 'req_a', watermark: `w${index}` }))))
      t.equal(kept.filter(Boolean).length, 1)
    })

    await t.test('each evaluation is claimed by one worker, and only the holder of the lease ends it', async (t) => {
      const claims = (await Promise.all([1, 2, 3, 4].map((worker) => claimEvaluation(database.db, { workerId: `w${worker}`, leaseMs: 60_000 })))).filter((claim) => claim !== null)
      t.same(claims.map(({ id }) => id).sort(), ['req_a', 'req_b'])
      const [claim] = claims
      if (claim === undefined) return
      t.equal(await finishEvaluation(database.db, { evaluationId: claim.id, workerId: 'nobody', attempt: claim.attempt, error: null }), false)
      t.equal(await renewLease(database.db, { evaluationId: claim.id, workerId: 'nobody', attempt: claim.attempt, leaseMs: 1 }), false)
      await database.db.execute(sql`update evaluations set lease_until = now() - interval '1 second' where id = ${claim.id}`)
      const again = await claimEvaluation(database.db, { workerId: 'next', leaseMs: 60_000 })
      t.match(again, { id: claim.id, attempt: 2 })
    })
  })
}

async function fill (database: Database): Promise<void> {
  for (const orgId of ['org_a', 'org_b']) {
    const letter = orgId.slice(-1)
    await createOrganization(database.db, { id: orgId, name: orgId })
    await insertKey(database.db, orgId, {
      id: `key_${letter}`, name: 'k', prefix: 'fb_live_0000', digest: Buffer.alloc(32, letter.charCodeAt(0)), permissions: ['governance:read'], ipAllowlist: [], perMinute: 60, perHour: 1000, expiresAt: null, createdBy: 'test'
    })
    await database.asOrganization(orgId, (tx: Db) => createEvaluation(tx, orgId, {
      id: `req_${letter}`, keyId: `key_${letter}`, items: [{ position: 0, scenarioId: 's', name: 'n', graph: null }], idempotencyKey: null, requestDigest: null
    }))
    await insertAuditRows(database, [{
      watermark: `wm_${letter}`, at: new Date(), orgId, keyId: null, keyPrefix: null, method: 'GET', route: '*', pathHash: '0', status: 200, code: null, reason: 'a "quoted" \\ {text}', ip: '::1', userAgent: null, instance: 'i', degraded: false, jti: null
    }])
  }
}

const inMemory = embedded()
suite('PGlite', 'pglite:memory', inMemory.drop)
const stores = await real()
if (stores === null) t.test('organizations are walled off on PostgreSQL', { skip: 'no PostgreSQL answered' }, async () => {})
else suite('PostgreSQL', stores.env['DATABASE_URL'] ?? '', stores.drop)
