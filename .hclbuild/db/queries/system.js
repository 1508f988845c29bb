/** The queries that cross organizations, together, for review: authentication, the queue, the audit trail, operators' look-ups. */
import { and, eq, gt, gte, lt, or, sql } from 'drizzle-orm';
import { watermarkTime } from "../../plugins/lib/watermark-id.js";
import { auditParameters, INSERT_AUDIT_ROWS } from "../audit-statement.js";
import { apiKeys, auditRows, evaluationItems, evaluations, scenarios } from "../schema.js";
const ATTEMPTS_MAX = 5;
/** A row's time is set when its answer is sent; its watermark was minted when the request came in. */
const TRACE_SPAN_MS = 3_600_000;
export async function findKeyByDigest(db, digest) {
    const [row] = await db.select().from(apiKeys).where(eq(apiKeys.digest, digest));
    if (row === undefined)
        return null;
    return {
        keyId: row.id,
        orgId: row.orgId,
        prefix: row.prefix,
        permissions: row.permissions.filter(isPermission),
        ipAllowlist: row.ipAllowlist,
        perMinute: row.perMinute,
        perHour: row.perHour,
        state: row.state,
        expiresAtMs: row.expiresAt?.getTime() ?? null
    };
}
function isPermission(text) {
    return text === 'governance:read' || text === 'governance:evaluate' || text === 'admin';
}
/** Claims the oldest open evaluation under a lease, or null. One whose attempts are spent becomes an error instead. */
export async function claimEvaluation(db, options) {
    await db.update(evaluations)
        .set({ state: 'error', error: 'The evaluation could not be finished', completedAt: sql `now()`, leaseWorker: null, leaseUntil: null })
        .where(and(eq(evaluations.state, 'processing'), lt(evaluations.leaseUntil, sql `now()`), gte(evaluations.attempt, ATTEMPTS_MAX)));
    const [claimed] = await db.update(evaluations)
        .set({
        state: 'processing',
        attempt: sql `${evaluations.attempt} + 1`,
        leaseWorker: options.workerId,
        leaseUntil: sql `now() + ${options.leaseMs} * interval '1 millisecond'`
    })
        .where(sql `${evaluations.id} = (
      select open.id from evaluations open
      where open.state = 'pending' or (open.state = 'processing' and open.lease_until < now())
      order by open.created_at limit 1 for update skip locked)`)
        .returning({ id: evaluations.id, orgId: evaluations.orgId, attempt: evaluations.attempt });
    return claimed ?? null;
}
/** Items still to judge: with the graph of the request, or of the stored scenario of the same organization. */
export async function loadItemsForWork(db, evaluationId) {
    return await db.select({
        position: evaluationItems.position,
        scenarioId: evaluationItems.scenarioId,
        name: evaluationItems.name,
        graph: sql `coalesce(${evaluationItems.graph}, ${scenarios.graph})`
    }).from(evaluationItems)
        .leftJoin(scenarios, and(eq(scenarios.id, evaluationItems.scenarioId), eq(scenarios.orgId, evaluationItems.orgId)))
        .where(and(eq(evaluationItems.evaluationId, evaluationId), sql `${evaluationItems.finishedAt} is null`))
        .orderBy(evaluationItems.position);
}
/** Keeps one item's outcome, only under the lease. An ephemeral graph is gone with it. */
export async function recordItem(db, item) {
    const rows = await db.update(evaluationItems)
        .set({ result: item.result, error: item.error, graph: null, finishedAt: sql `now()` })
        .where(and(eq(evaluationItems.evaluationId, item.evaluationId), eq(evaluationItems.position, item.position), sql `${evaluationItems.finishedAt} is null`, sql `exists (select 1 from evaluations held where held.id = ${item.evaluationId} and held.state = 'processing'
        and held.lease_worker = ${item.workerId} and held.attempt = ${item.attempt})`))
        .returning({ position: evaluationItems.position });
    return rows.length === 1;
}
export async function renewLease(db, lease) {
    const rows = await db.update(evaluations)
        .set({ leaseUntil: sql `now() + ${lease.leaseMs} * interval '1 millisecond'` })
        .where(heldBy(lease)).returning({ id: evaluations.id });
    return rows.length === 1;
}
/** Ends an evaluation under the lease: complete, or error with a fixed sentence. */
export async function finishEvaluation(db, lease) {
    const rows = await db.update(evaluations)
        .set({ state: lease.error === null ? 'complete' : 'error', error: lease.error, completedAt: sql `now()`, leaseWorker: null, leaseUntil: null })
        .where(heldBy(lease)).returning({ id: evaluations.id });
    return rows.length === 1;
}
function heldBy(lease) {
    return and(eq(evaluations.id, lease.evaluationId), eq(evaluations.state, 'processing'), eq(evaluations.leaseWorker, lease.workerId), eq(evaluations.attempt, lease.attempt));
}
/** Writes audit rows in one statement. The service uses a writer of its own (`openAuditWriter`); this serves tests and tools. */
export async function insertAuditRows(database, rows) {
    await database.run(INSERT_AUDIT_ROWS, auditParameters(rows));
}
export async function addRefusalCounts(db, counts) {
    if (counts.length === 0)
        return;
    const values = counts.map(({ minute, network, code, count }) => sql `(${minute.toISOString()}::timestamptz, ${network}, ${code}, ${count}::bigint)`);
    await db.execute(sql `insert into refusal_counts (minute, network, code, count) values ${sql.join(values, sql `, `)}
    on conflict (minute, network, code) do update set count = refusal_counts.count + excluded.count`);
}
/** The row behind a watermark. The watermark holds its time, so only the partitions around it are searched. */
export async function findAuditRow(db, watermark) {
    const mintedMs = watermarkTime(watermark);
    if (Number.isNaN(mintedMs))
        return null;
    const [row] = await db.select().from(auditRows).where(and(eq(auditRows.watermark, watermark), gt(auditRows.at, new Date(mintedMs - TRACE_SPAN_MS)), lt(auditRows.at, new Date(mintedMs + TRACE_SPAN_MS))));
    return row ?? null;
}
/** Which of these watermarks have a row. */
export async function countAuditRows(db, watermarks) {
    const [row] = await db.select({ count: sql `count(*)`.mapWith(Number) }).from(auditRows)
        .where(sql `${auditRows.watermark} in ${[...watermarks]}`);
    return row?.count ?? 0;
}
/** Keys by id or 12-character prefix; prefixes are not unique, so there may be several. */
export async function findKeysByIdOrPrefix(db, idOrPrefix) {
    return await db.select({ id: apiKeys.id, orgId: apiKeys.orgId, prefix: apiKeys.prefix, state: apiKeys.state }).from(apiKeys)
        .where(or(eq(apiKeys.id, idOrPrefix), eq(apiKeys.prefix, idOrPrefix)));
}
//# sourceMappingURL=system.js.map