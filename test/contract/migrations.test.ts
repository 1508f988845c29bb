import t from 'tap'
import { readMigrations, type Migration } from '../../db/migrate.ts'

// The rules of docs/operations.md, "Migrations", as far as the text of a statement shows them.
interface Rule { readonly says: string, readonly breaks: (statement: string, isNewTable: (table: string) => boolean) => boolean }

const tableIn = (statement: string, pattern: RegExp): string | null => pattern.exec(statement)?.[1] ?? null
const onOldTable = (pattern: RegExp, bad: RegExp): Rule['breaks'] => (statement, isNewTable) => {
  const table = tableIn(statement, pattern)
  return table !== null && !isNewTable(table) && bad.test(statement)
}
const ALTERED = /^alter table (?:if exists )?(?:only )?(\w+)/

const RULES: readonly Rule[] = [
  { says: 'an index on a table that has rows is built concurrently', breaks: onOldTable(/^create (?:unique )?index .*?\bon (?:only )?(\w+)/, /^create (?:unique )?index (?!concurrently)/) },
  { says: 'a constraint on a table that has rows is added "not valid", and validated by a statement of its own', breaks: onOldTable(ALTERED, /\badd (?:constraint \w+ )?(?:check|foreign key)(?!.*\bnot valid\b)/) },
  { says: 'a primary key or unique constraint is made of an index that was built concurrently', breaks: onOldTable(ALTERED, /\badd (?:constraint \w+ )?(?:primary key|unique)(?! using index)/) },
  { says: 'a column that is added is nullable or has a constant default', breaks: onOldTable(ALTERED, /\badd column [^,]*\bnot null\b(?![^,]*\bdefault\b)|\badd column [^,]*\bdefault (?:gen_random_uuid|clock_timestamp|random|nextval)\b/) },
  { says: 'a column keeps its type and its nullability', breaks: onOldTable(ALTERED, /\balter (?:column )?\w+ (?:type|set data type|set not null)\b/) },
  { says: 'what the version before uses is neither renamed nor dropped', breaks: onOldTable(/^(?:alter table|drop table) (?:if exists )?(?:only )?(\w+)/, /^drop table|\bdrop column\b|\brename\b/) },
  { says: 'nothing holds or rewrites a whole table', breaks: (statement) => /^(?:lock|cluster|vacuum full|truncate|reindex (?!.*concurrently))\b/.test(statement) },
  { says: 'a new permission of the database is granted, never taken from a running version', breaks: (statement) => /^revoke (?!.*\bfrom public\b)/.test(statement) }
]

// Before the first release there is no running version whose rows or statements could be hurt.
const BEFORE_THE_FIRST_RELEASE: Readonly<Record<string, readonly string[]>> = {
  '0006-anomalies': [
    'an index on a table that has rows is built concurrently',
    'a constraint on a table that has rows is added "not valid", and validated by a statement of its own',
    'what the version before uses is neither renamed nor dropped'
  ]
}

function broken ({ statements, isTransactional }: Pick<Migration, 'statements' | 'isTransactional'>): string[] {
  const plain = statements.map((text) => text.replace(/--.*$/gm, '').replace(/\s+/g, ' ').trim().toLowerCase()).filter((text) => text !== '')
  const made = new Set(plain.flatMap((text) => tableIn(text, /^create table (?:if not exists )?(\w+)/) ?? []))
  const dropped = new Set(plain.flatMap((text) => tableIn(text, /^drop table (?:if exists )?(\w+)/) ?? []))
  const says = plain.flatMap((statement) => RULES.filter(({ breaks }) => breaks(statement, (table) => made.has(table) && !(dropped.has(table) && statement.startsWith('drop')))).map((rule) => rule.says))
  if (isTransactional && plain.some((text) => /\bconcurrently\b/.test(text))) says.push('what is built concurrently stands in a migration that says "outside a transaction"')
  if (!isTransactional && !plain.every((text) => /\bconcurrently\b|\bif (?:not )?exists\b|\bvalidate constraint\b/.test(text))) says.push('outside a transaction each statement may be run again')
  return [...new Set(says)].sort()
}

t.test('every migration keeps the rules, but for what came before the first release', async (t) => {
  const migrations = readMigrations()
  t.ok(migrations.length >= 11)
  for (const migration of migrations) t.same(broken(migration), [...BEFORE_THE_FIRST_RELEASE[migration.tag] ?? []].sort(), migration.tag)
})

t.test('migrations are numbered and timed in order, and each file is listed', async (t) => {
  const migrations = readMigrations()
  t.same(migrations.map(({ tag }) => tag), migrations.map(({ tag }) => tag).sort())
  t.same(migrations.map(({ when }) => when), migrations.map(({ when }) => when).sort((a, b) => a - b))
})

t.test('each rule finds what it forbids, and lets its remedy pass', async (t) => {
  const judged = (text: string, isTransactional = true): string[] => broken({ statements: text.split(';'), isTransactional })
  for (const bad of [
    'create index x on audit_rows (org_id)', 'create unique index x on api_keys (name)', 'alter table api_keys add constraint c check (name <> \'\')',
    'alter table api_keys add foreign key (org_id) references organizations (id)', 'alter table api_keys add constraint u unique (name)', 'alter table api_keys add column n integer not null',
    'alter table api_keys add column id2 uuid default gen_random_uuid()', 'alter table api_keys alter column name type varchar(10)', 'alter table api_keys alter column name set not null',
    'alter table api_keys drop column name', 'alter table api_keys rename column name to title', 'drop table scenarios', 'lock table api_keys', 'truncate redemptions',
    'revoke select on api_keys from flowbeacon_app', 'create index concurrently x on audit_rows (org_id)', 'drop table scenarios; create table scenarios (id text)'
  ]) t.ok(judged(bad).length > 0, bad)
  for (const good of [
    'create table fresh (id text); create index x on fresh (id); alter table fresh add constraint c check (id <> \'\')', 'alter table api_keys add column n integer', 'alter table api_keys add column n integer not null default 0',
    'alter table api_keys add constraint c check (name <> \'\') not valid', 'grant select on api_keys to flowbeacon_app', 'revoke execute on function f () from public'
  ]) t.same(judged(good), [], good)
  t.same(judged('drop index concurrently if exists x; create index concurrently x on audit_rows (org_id); alter table api_keys validate constraint c', false), [])
  t.ok(judged('create table again (id text)', false).length > 0)
})
