import fastify, {} from 'fastify';
import { declareSlots } from "../../plugins/context.js";
import { signRequest } from "../../plugins/lib/hmac.js";
import errorHandler from "../../plugins/support/error-handler.js";
export const SECRET = Buffer.alloc(32, 7);
export const KEY = `fb_live_${'0123456789abcdef'.repeat(3)}`;
export const NOW_MS = 1_800_000_000_000;
export function record(changes = {}) {
    return { keyId: 'key_1', orgId: 'org_1', prefix: KEY.slice(0, 12), permissions: ['governance:read'], ipAllowlist: [], perMinute: 60, perHour: 1000, state: 'active', expiresAtMs: null, ...changes };
}
export function principal(changes = {}) {
    return { ...record(), epoch: 'e1', ...changes };
}
// A Fastify that has the slots, the error handler and nothing else of ours.
export async function bareApp() {
    const app = fastify();
    declareSlots(app);
    await app.register(errorHandler);
    return app;
}
// Stands in for the layers before the one under test.
export function leavePrincipal(app, value) {
    app.addHook('onRequest', async (request) => {
        request.principal = value;
        request.bearerKey = KEY;
    });
}
export function route(app, options = {}) {
    const seen = { calls: 0 };
    app.route({
        method: options.method ?? 'GET',
        url: options.url ?? '/thing',
        config: { access: options.access ?? 'key', scope: options.scope ?? 'governance:read' },
        handler: async (request) => {
            seen.calls++;
            return { ok: true, data: { body: request.body ?? null } };
        }
    });
    return seen;
}
export function signed(method, path, body = '', nowMs = Date.now(), key = KEY) {
    const header = signRequest({ key, timestampSeconds: Math.floor(nowMs / 1000), method, path, body: Buffer.from(body) });
    return { authorization: `Bearer ${key}`, 'x-fb-signature': header };
}
export function collectingSink() {
    const rows = [];
    return { rows, record: async (row) => { rows.push(row); } };
}
//# sourceMappingURL=bare.js.map