/** Anomaly events and what follows from them. */
import { sql } from 'drizzle-orm';
/** Keeps one event with the numbers and the watermarks behind it. */
export async function insertAnomalyEvent(db, event) {
    await db.execute(sql `
    insert into anomaly_events (org_id, key_id, signal, severity, at, count, threshold, window_ms, watermarks, action)
    values (${event.orgId}, ${event.keyId}, ${event.signal}, ${event.severity}, ${event.at.toISOString()}, ${event.count},
            ${event.threshold}, ${event.windowMs}, ${JSON.stringify(event.watermarks)}::jsonb, ${event.action})`);
}
/**
 * Suspends an active key. False when it was not active, or is the last active one of its organization: cutting a partner off
 * altogether is an operator's decision.
 */
export async function suspendKey(db, orgId, keyId) {
    const rows = await db.execute(sql `
    update api_keys set state = 'suspended'
    where org_id = ${orgId} and id = ${keyId} and state = 'active'
      and exists (select 1 from api_keys other where other.org_id = ${orgId} and other.id <> ${keyId} and other.state = 'active')
    returning id`);
    return rowsOf(rows).length > 0;
}
// The two drivers answer a raw statement in two shapes.
function rowsOf(result) {
    if (Array.isArray(result))
        return result;
    if (typeof result === 'object' && result !== null && 'rows' in result && Array.isArray(result.rows))
        return result.rows;
    return [];
}
//# sourceMappingURL=anomalies.js.map