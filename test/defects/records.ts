import type { Defect } from './defect.ts'

const isolation = ['test/db/isolation.test.ts']

/** Watermark, audit, errors, logs, stored secrets, organizations in the database. */
export const RECORDS: readonly Defect[] = [
  {
    name: 'answer-before-its-row',
    file: 'plugins/watermark.ts',
    line: 'audit.record(rowOf(request, reply)).then(() => done(null, payload), (cause: unknown) => { withhold(request, reply, payload, cause).then((answer) => done(null, answer), done) })',
    instead: 'audit.record(rowOf(request, reply)).catch(() => {}); done(null, payload)',
    breaks: 'layer 9: no answer leaves before its row is durable',
    tests: ['test/plugins/watermark.test.ts']
  },
  {
    name: 'forged-watermarks',
    file: 'plugins/lib/watermark-id.ts',
    line: 'return timingSafeEqual(Buffer.from(mac), Buffer.from(macOf(body, secret)))',
    instead: 'return timingSafeEqual(Buffer.from(mac), Buffer.from(mac)) || timingSafeEqual(Buffer.from(mac), Buffer.from(macOf(body, secret)))',
    breaks: 'layer 9: a forged watermark is recognised without a database',
    tests: ['test/plugins/watermark.test.ts', 'test/threats/leaked-marks.test.ts']
  },
  {
    name: 'unmarked-refusals',
    file: 'plugins/watermark.ts',
    line: "return typeof payload === 'object' && payload !== null && 'ok' in payload && ('data' in payload || 'error' in payload)",
    instead: "return typeof payload === 'object' && payload !== null && 'ok' in payload && 'data' in payload",
    breaks: 'layer 9: refusals carry a watermark',
    tests: ['test/plugins/watermark.test.ts']
  },
  {
    name: 'key-in-user-agent',
    file: 'plugins/watermark.ts',
    line: "return agent === undefined ? null : scrub(agent.replace(/[^\\x20-\\x7e]/g, '?')).slice(0, USER_AGENT_CHARS_MAX)",
    instead: "return agent === undefined ? null : (agent.replace(/[^\\x20-\\x7e]/g, '?')).slice(0, USER_AGENT_CHARS_MAX)",
    breaks: 'no more than 12 characters of a key are stored',
    tests: ['test/plugins/watermark.test.ts', 'test/threats/key-theft-from-logs.test.ts']
  },
  {
    name: 'flood-fills-audit',
    file: 'plugins/watermark.ts',
    line: 'if (request.principal === null && request.tokenOrgId === null) {',
    instead: 'if (request.refusal === null && request.principal === null && request.tokenOrgId === null) {',
    breaks: 'refusals before authentication cannot fill the audit table',
    tests: ['test/plugins/watermark.test.ts']
  },
  {
    name: 'failed-batch-is-durable',
    file: 'plugins/support/group-commit.ts',
    line: 'for (const pending of batch) pending.reject(unavailable(`${name}_write_failed`, cause))',
    instead: 'for (const pending of batch) pending.resolve(undefined as Outcome)',
    breaks: 'layer 9: a row that was not written is not called written',
    tests: ['test/plugins/support/audit-log.test.ts']
  },
  {
    name: 'boundless-audit-queue',
    file: 'plugins/support/group-commit.ts',
    line: 'if (queue.length >= queueMax) return Promise.reject(unavailable(`${name}_queue_full`))',
    instead: '',
    breaks: 'queues are bounded',
    tests: ['test/plugins/support/audit-log.test.ts']
  },
  {
    name: 'audit-rows-deletable',
    file: 'db/migrations/0003-audit.sql',
    line: 'create trigger audit_rows_append_only before update or delete on audit_rows for each row execute function refuse_audit_change();',
    instead: 'create trigger audit_rows_append_only before update on audit_rows for each row execute function refuse_audit_change();',
    breaks: 'audit rows are append-only',
    tests: [...isolation, 'test/plugins/support/audit-log.test.ts', 'test/contract/service.test.ts']
  },
  {
    name: 'thrown-message-on-the-wire',
    file: 'plugins/support/error-handler.ts',
    line: 'error: refusal.message,',
    instead: "error: refusal.code === 'internal_error' ? err.message : refusal.message,",
    breaks: 'a thrown message never reaches the wire',
    tests: ['test/contract/refusals.test.ts']
  },
  {
    name: 'thrown-message-in-the-log',
    file: 'plugins/support/error-handler.ts',
    line: 'cause: cause instanceof Error ? cause.name : undefined,',
    instead: 'cause: cause instanceof Error ? cause.message : undefined,',
    breaks: 'a message that may hold bound values is not logged',
    tests: ['test/plugins/support/error-handler.test.ts']
  },
  {
    name: '500-for-a-store-away',
    file: 'routes/v1/deps.ts',
    line: "throw new ApiError('unavailable', { cause, reason: 'store', headers: { 'retry-after': RETRY_AFTER_SECONDS } })",
    instead: 'throw cause',
    breaks: 'never a 500 where a 503 is due',
    tests: ['test/contract/stores-away.test.ts']
  },
  {
    name: 'deep-json',
    file: 'plugins/support/json-body.ts',
    line: 'if (++depth > DEPTH_MAX) throw malformed(`The body nests deeper than ${DEPTH_MAX}.`)',
    instead: 'if (++depth > DEPTH_MAX + 1) throw malformed(`The body nests deeper than ${DEPTH_MAX}.`)',
    breaks: 'a body nests 64 deep at most',
    tests: ['test/plugins/support/json-body.test.ts']
  },
  {
    name: 'prototype-keys',
    file: 'plugins/support/json-body.ts',
    line: "value = sjson.parse(text, undefined, { protoAction: 'error', constructorAction: 'error' })",
    instead: "value = sjson.parse(text, undefined, { protoAction: 'remove', constructorAction: 'remove' })",
    breaks: 'a body with __proto__ is refused, and nothing is dropped',
    tests: ['test/plugins/support/json-body.test.ts', 'test/contract/refusals.test.ts']
  },
  {
    name: 'coerced-types',
    file: 'plugins/support/json-body.ts',
    line: "const ajv = new Ajv({ allErrors: false, coerceTypes: false, removeAdditional: false, useDefaults: false, strict: true, strictSchema: 'log', logger: false })",
    instead: "const ajv = new Ajv({ allErrors: false, coerceTypes: true, removeAdditional: true, useDefaults: false, strict: true, strictSchema: 'log', logger: false })",
    breaks: 'nothing is coerced and nothing is dropped',
    tests: ['test/contract/refusals.test.ts', 'test/schemas/wire.test.ts']
  },
  {
    name: 'no-row-level-security',
    file: 'db/migrations/0004-roles-and-row-level-security.sql',
    line: "create policy own_organization on evaluations to flowbeacon_app using (org_id = current_setting('app.org_id', true)) with check (org_id = current_setting('app.org_id', true));",
    instead: 'create policy own_organization on evaluations to flowbeacon_app using (true) with check (true);',
    breaks: 'one organization\'s rows do not exist for another, whatever a query asks',
    tests: isolation
  },
  {
    name: 'row-level-security-unforced',
    file: 'db/migrations/0004-roles-and-row-level-security.sql',
    line: 'alter table scenarios force row level security;',
    instead: '',
    breaks: 'row-level security binds the owner of a table too',
    tests: isolation
  },
  {
    name: 'partner-work-as-system',
    file: 'db/client.ts',
    line: "await tx.execute(sql`select set_config('role', 'flowbeacon_app', true), set_config('app.org_id', ${orgId}, true)`)",
    instead: "await tx.execute(sql`select set_config('app.org_id', ${orgId}, true)`)",
    breaks: 'partner work runs as a role that sees one organization',
    tests: isolation
  },
  {
    name: 'scenario-of-anybody',
    file: 'db/queries/evaluations.ts',
    line: '}).from(evaluations).where(and(eq(evaluations.orgId, orgId), eq(evaluations.id, id)))',
    instead: '}).from(evaluations).where(eq(evaluations.id, id))',
    breaks: 'queries take the organization, also without row-level security',
    tests: isolation
  },
  {
    name: 'keys-of-anybody',
    file: 'db/queries/keys.ts',
    line: 'return await db.select(PUBLIC_COLUMNS).from(apiKeys).where(eq(apiKeys.orgId, orgId)).orderBy(desc(apiKeys.id))',
    instead: 'return await db.select(PUBLIC_COLUMNS).from(apiKeys).orderBy(desc(apiKeys.id))',
    breaks: 'queries take the organization, also without row-level security',
    tests: isolation
  },
  {
    name: 'readable-admin-socket',
    file: 'bin/admin-socket.ts',
    line: 'await chmod(path, 0o600)',
    instead: 'await chmod(path, 0o666)',
    breaks: 'the operators\' socket is its user\'s alone',
    tests: ['test/bin/admin-socket.test.ts']
  },
  {
    name: 'unsigned-production',
    file: 'config.ts',
    line: "if (env['PUBLIC_API_REQUIRE_HMAC'] !== undefined) problems.push('PUBLIC_API_REQUIRE_HMAC must not be set in production: signatures are always required there')",
    instead: '',
    breaks: 'production cannot be booted without signatures',
    tests: ['test/config.test.ts']
  },
  {
    name: 'unknown-flags',
    file: 'config.ts',
    line: 'const problems = [...unknownFlags(env), ...looseValues(env)]',
    instead: 'const problems = [...looseValues(env)]',
    breaks: 'an unknown flag stops the boot',
    tests: ['test/config.test.ts']
  },
  {
    name: 'columns-without-their-rows',
    file: 'db/audit-statement.ts',
    line: "return values.every(isNull) ? '{}' : arrayLiteral(values)",
    instead: "return values.some(isNull) ? '{}' : arrayLiteral(values)",
    breaks: 'an audit row holds what it was given',
    tests: ['test/db/audit-statement.test.ts']
  }
]
