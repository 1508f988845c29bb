import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import postgres from 'postgres'
import { migrateOver, readMigrations } from '../../db/migrate.ts'
import { startPrivatePostgres, whyNoPostgres } from '../helper/private-postgres.ts'
import { holdTable } from '../helper/postgres-faults.ts'

// docs/operations.md, "Migrations": on a server of the test's own, because roles belong to the whole cluster.
const server = await startPrivatePostgres({ settings: { max_connections: 60 } })
const skip = whyNoPostgres() ?? false
t.teardown(() => server?.close())
const LAST_OF_OLD = '0004-roles-and-row-level-security'

let databases = 0
async function emptyDatabase (): Promise<string> {
  const name = `migrate_${++databases}`
  await server?.query(`create database ${name}`)
  const url = new URL(server?.url ?? '')
  url.pathname = `/${name}`
  return url.href
}

// What the first version's instances send, as they send it: their columns, their role, their patience.
const HOT: Record<string, string> = {
  key: "select id, org_id, prefix, permissions, ip_allowlist, per_minute, per_hour, state, expires_at from api_keys where digest = sha256('k1'::bytea)",
  audit: `insert into audit_rows (watermark, at, org_id, key_id, key_prefix, method, route, path_hash, status, code, reason, ip, user_agent, instance, degraded, jti)
    values ('wm_' || gen_random_uuid(), now(), 'org_1', 'key_1', 'fb_live_0001', 'GET', '/x', '0', 200, null, null, '192.0.2.1', null, 'old', false, null)`,
  submit: `with made as (insert into evaluations (id, org_id, key_id, total) values ('req_' || gen_random_uuid(), 'org_1', 'key_1', 1) returning id)
    select count(*) from made`,
  claim: `update evaluations set state = 'processing', attempt = attempt + 1, lease_worker = 'w', lease_until = now() + interval '30 s'
    where id = (select id from evaluations where state = 'pending' order by created_at limit 1 for update skip locked) returning id`,
  finish: "update evaluations set state = 'complete', completed_at = now() where id = (select id from evaluations where state = 'processing' limit 1 for update skip locked)",
  read: "select id, name, source_digest from scenarios where org_id = 'org_1' order by id desc limit 20",
  count: "insert into refusal_counts values (date_trunc('minute', now()), '192.0.2.0/24', 'invalid_api_key', 1) on conflict (minute, network, code) do update set count = refusal_counts.count + 1"
}

async function seed (url: string): Promise<void> {
  const owner = postgres(url, { max: 1, onnotice: () => {} })
  await owner.unsafe(`insert into organizations (id, name) values ('org_1', 'One');
    insert into api_keys (id, org_id, name, prefix, digest, permissions, per_minute, per_hour, created_by)
      select 'key_' || n, 'org_1', 'k', 'fb_live_' || lpad(n::text, 4, '0'), sha256(('k' || n)::bytea), '{governance:read}', 60, 1000, 'test' from generate_series(1, 5000) n;
    insert into audit_rows select 'wm_' || n, now(), 'org_1', 'key_1', 'fb_live_0001', 'GET', '/x', '0', 200, null, null, '192.0.2.1', null, 'old', false, null from generate_series(1, 50000) n`)
  await owner.end()
}

interface Load { stop (): Promise<{ answered: number, failures: string[], slowestMs: number }> }

function startOld (url: string): Load {
  const sql = postgres(url, { max: 8, onnotice: () => {}, connection: { application_name: 'old', role: 'flowbeacon_system', lock_timeout: 1000, statement_timeout: 3000 } })
  const ending = new AbortController()
  const failures: string[] = []
  let answered = 0
  let slowestMs = 0
  const clients = Object.entries(HOT).map(async ([name, statement]) => {
    while (!ending.signal.aborted) {
      const startedMs = performance.now()
      // Submissions run as the partner's role, inside its organization.
      const answer = name === 'submit'
        ? sql.begin(async (tx) => { await tx.unsafe("select set_config('role', 'flowbeacon_app', true), set_config('app.org_id', 'org_1', true)"); await tx.unsafe(statement) })
        : sql.unsafe(statement)
      await answer.then(() => { answered++ }, (err: Error) => { failures.push(`${name}: ${err.message}`) })
      slowestMs = Math.max(slowestMs, performance.now() - startedMs)
    }
  })
  return {
    async stop () {
      ending.abort()
      await Promise.all(clients)
      await sql.end()
      return { answered, failures: [...new Set(failures)], slowestMs }
    }
  }
}

t.test('instances of the first version go on serving while every later migration is applied under them', { skip, timeout: 90_000 }, async (t) => {
  const url = await emptyDatabase()
  await migrateOver(url, { through: LAST_OF_OLD })
  await seed(url)
  const load = startOld(url)
  const later = readMigrations().map(({ tag }) => tag).filter((tag) => tag > LAST_OF_OLD)
  for (const tag of later) {
    await migrateOver(url, { through: tag })
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  await migrateOver(url)
  const { answered, failures, slowestMs } = await load.stop()
  t.comment(`${later.length} migrations under ${answered} statements; the slowest took ${Math.round(slowestMs)} ms`)
  t.same(failures, [], 'no statement of theirs failed')
  t.ok(answered > 100)
})

t.test('a migration that does not get its lock makes way, and is applied once it does; who queued behind it is answered', { skip, timeout: 60_000 }, async (t) => {
  const url = await emptyDatabase()
  await migrateOver(url, { through: '0005-idempotency-expiry' })
  await seed(url)
  const reader = postgres(url, { max: 1, onnotice: () => {} })
  // A report or a dump that reads for long: it stops nobody but a migration of its table.
  const held = await reader.reserve()
  await held.unsafe('begin; select count(*) from api_keys')
  const load = startOld(url)
  let isDone = false
  const migrated = migrateOver(url).then(() => { isDone = true })
  await new Promise((resolve) => setTimeout(resolve, 2500))
  t.notOk(isDone, 'it waits')
  await held.unsafe('commit')
  held.release()
  await migrated
  await reader.end()
  const { failures, answered } = await load.stop()
  t.same(failures, [], `of ${answered} statements none was refused`)
})

t.test('any number of processes migrate at once, each migration once; a later one that is there does not hide an earlier one', { skip, timeout: 60_000 }, async (t) => {
  const url = await emptyDatabase()
  await Promise.all(Array.from({ length: 8 }, () => migrateOver(url)))
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  t.teardown(() => sql.end())
  const counted = async (): Promise<unknown> => (await sql`select count(*)::int as count, count(distinct created_at)::int as kinds from drizzle.__drizzle_migrations`)[0]
  const all = readMigrations().length
  t.same(await counted(), { count: all, kinds: all })
  // As when a branch with a higher number was deployed first.
  const missing = readMigrations().find(({ tag }) => tag === '0012-accepted-requests')
  await sql`drop table accepted_requests`
  await sql`delete from drizzle.__drizzle_migrations where created_at = ${missing?.when ?? 0}`
  await migrateOver(url)
  t.same(await counted(), { count: all, kinds: all })
  t.ok((await sql`select to_regclass('accepted_requests') as there`)[0]?.['there'])
})

function folderOf (t: Test, files: Record<string, string>): string {
  const folder = mkdtempSync(join(tmpdir(), 'flowbeacon-migrations-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  mkdirSync(join(folder, 'meta'))
  for (const [tag, text] of Object.entries(files)) writeFileSync(join(folder, `${tag}.sql`), text)
  writeFileSync(join(folder, 'meta', '_journal.json'), JSON.stringify({ entries: Object.keys(files).map((tag, when) => ({ tag, when: when + 1 })) }))
  return folder
}

t.test('one that fails leaves nothing of itself and everything before it, says why, and is applied when it is mended', { skip }, async (t) => {
  const url = await emptyDatabase()
  const good = { '0001-one': 'create table one (n int)' }
  const folder = folderOf(t, { ...good, '0002-two': 'create table two (n int);\n--> statement-breakpoint\nselect 1 / 0' })
  await t.rejects(migrateOver(url, { folder, through: '0002-two' }), { code: '22012' })
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  t.teardown(() => sql.end())
  t.match(await sql`select to_regclass('one') as one, to_regclass('two') as two`, [{ one: 'one', two: null }])
  await migrateOver(url, { folder: folderOf(t, { ...good, '0002-two': 'create table two (n int)' }), through: '0002-two' })
  t.match(await sql`select to_regclass('two') as two`, [{ two: 'two' }])
})

t.test('one that says so runs outside a transaction, for an index that is built while rows are written', { skip }, async (t) => {
  const url = await emptyDatabase()
  const folder = folderOf(t, {
    '0001-rows': 'create table rows (n int)',
    '0002-index': '-- outside a transaction: the index is built while rows are written.\ndrop index concurrently if exists rows_by_n\n--> statement-breakpoint\ncreate index concurrently rows_by_n on rows (n)'
  })
  await migrateOver(url, { folder, through: '0001-rows' })
  const release = await holdTable(url, 'rows')
  const migrated = migrateOver(url, { folder, through: '0002-index' })
  await new Promise((resolve) => setTimeout(resolve, 800))
  await release()
  await migrated
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  t.teardown(() => sql.end())
  t.match(await sql`select indisvalid as valid from pg_index where indexrelid = 'rows_by_n'::regclass`, [{ valid: true }])
})
