/**
 * What an operator can do, over a database: used by `fb` directly, by the server on behalf of `fb` (bin/admin-socket.ts) and by
 * the demonstration. Arguments come from a command line or a socket, so each is checked here and nowhere else.
 */
import { createHash } from 'node:crypto';
import { insertKey, listKeys } from "../db/queries/keys.js";
import { createOrganization, findOrganization } from "../db/queries/organizations.js";
import { saveScenario } from "../db/queries/scenarios.js";
import { findAuditRow, findKeysByIdOrPrefix, revokeKeyById } from "../db/queries/system.js";
import { generateApiKey } from "../plugins/lib/api-key.js";
import { mintRecordId, ulid } from "../plugins/lib/record-id.js";
import { verifyWatermark } from "../plugins/lib/watermark-id.js";
import { parseBlueprint } from "./graph/import.js";
import { OperationError, parseKeyOptions, readFiles, readObject, readText } from "./operator-arguments.js";
export { OperationError } from "./operator-arguments.js";
/** Seconds that an instance may serve a key record from its cache (plugins/authentication.ts, CACHE_TTL_MS). */
const KEY_CACHE_SECONDS = 10;
export const OPERATIONS = ['org.create', 'key.create', 'key.list', 'key.revoke', 'import', 'trace'];
/** Runs one operation. Rejects with an `OperationError` for anything the operator can mend. */
export async function runOperation(deps, name, args) {
    const given = readObject(args);
    switch (name) {
        case 'org.create': return createOrg(deps, given);
        case 'key.create': return createKey(deps, given);
        case 'key.list': return listOrgKeys(deps, given);
        case 'key.revoke': return revokeOneKey(deps, given);
        case 'import': return importFiles(deps, given);
        case 'trace': return traceWatermark(deps, given);
        default: throw new OperationError('usage', 'unknown operation');
    }
}
async function createOrg({ database }, args) {
    const name = readText(args, 'name');
    const id = `org_${ulid()}`;
    await createOrganization(database.db, { id, name });
    return { id, name };
}
async function createKey({ database, actor }, args) {
    const orgId = await existingOrg(database, args);
    const options = parseKeyOptions(args, Date.now());
    const { key, prefix, digest } = generateApiKey();
    const id = `key_${ulid()}`;
    await database.asOrganization(orgId, (tx) => insertKey(tx, orgId, { id, prefix, digest, createdBy: actor, ...options }));
    return { id, key, prefix, permissions: [...options.permissions], expires_at: options.expiresAt?.toISOString() ?? null };
}
async function listOrgKeys({ database }, args) {
    const orgId = await existingOrg(database, args);
    const rows = await database.asOrganization(orgId, (tx) => listKeys(tx, orgId));
    return {
        org: orgId,
        keys: rows.map((row) => ({
            id: row.id,
            name: row.name,
            prefix: row.prefix,
            permissions: row.permissions,
            state: row.state,
            ip_allow: row.ipAllowlist,
            rpm: row.perMinute,
            rph: row.perHour,
            expires_at: isoOrNull(row.expiresAt),
            created_at: isoOrNull(row.createdAt)
        }))
    };
}
/** Commits first, then makes every cached record stale: in the other order an instance could cache the old record again. */
async function revokeOneKey({ database, admission, actor }, args) {
    const wanted = readText(args, 'key');
    const matches = await findKeysByIdOrPrefix(database.db, wanted);
    const [match] = matches;
    if (match === undefined)
        throw new OperationError('failed', 'no key has this id or prefix');
    if (matches.length > 1)
        throw new OperationError('failed', `${matches.length} keys have this prefix; give the id: ${matches.map(({ id }) => id).join(', ')}`);
    const revoked = await revokeKeyById(database.db, match.id, { actor, reason: 'revoked by an operator' });
    try {
        // Also when it was revoked before: that is how an operator repeats a step that did not reach the instances.
        await admission.bumpEpoch(match.id);
    }
    catch (cause) {
        throw new OperationError('unavailable', `the revocation of ${match.id} is committed, but the instances could not be told: they may serve the key ` +
            `from cache for at most ${KEY_CACHE_SECONDS} s. Repeat the command.`, { cause });
    }
    return { id: match.id, prefix: match.prefix, state: 'revoked', revoked_at: isoOrNull(revoked?.revokedAt ?? match.revokedAt) };
}
async function importFiles({ database, recordIdSecret }, args) {
    const orgId = await existingOrg(database, args);
    const imported = [];
    const refused = [];
    for (const { path, text } of readFiles(args)) {
        const parsed = parseBlueprint(text);
        if (!parsed.ok) {
            refused.push({ path, reason: parsed.reason });
            continue;
        }
        const { graph } = parsed;
        const id = mintRecordId('scn', orgId, recordIdSecret);
        const name = graph.name === '' ? path.slice(path.lastIndexOf('/') + 1).slice(0, 120) : graph.name;
        const sourceDigest = createHash('sha256').update(text).digest('hex');
        const modules = graph.nodes.length;
        await database.asOrganization(orgId, (tx) => saveScenario(tx, orgId, { id, name, platform: graph.platform, modules, graph, sourceDigest }));
        imported.push({ path, id, name, platform: graph.platform, modules, problems: graph.problems.length, dropped: graph.dropped });
    }
    return { imported, refused };
}
async function traceWatermark({ database, watermarkSecret }, args) {
    const watermark = readText(args, 'watermark');
    // The MAC tells a forged or mistyped one apart from one whose row is missing, before any query.
    if (!verifyWatermark(watermark, watermarkSecret))
        throw new OperationError('failed', 'not a watermark of this service');
    const row = await findAuditRow(database.db, watermark);
    if (row === null)
        throw new OperationError('failed', 'a watermark of this service, but no audit row has it: a refusal before authentication is counted, not recorded, and old rows are removed');
    return {
        watermark: row.watermark,
        at: isoOrNull(row.at),
        org_id: row.orgId,
        key_id: row.keyId,
        key_prefix: row.keyPrefix,
        method: row.method,
        route: row.route,
        path_hash: row.pathHash,
        status: row.status,
        code: row.code,
        reason: row.reason,
        ip: row.ip,
        user_agent: row.userAgent,
        instance: row.instance,
        degraded: row.degraded,
        jti: row.jti
    };
}
async function existingOrg(database, args) {
    const orgId = readText(args, 'org');
    if (await findOrganization(database.db, orgId) === null)
        throw new OperationError('failed', 'no organization has this id');
    return orgId;
}
function isoOrNull(value) {
    return value === null || value === undefined ? null : new Date(value).toISOString();
}
//# sourceMappingURL=operator.js.map