import fp from 'fastify-plugin';
import { LRUCache } from 'lru-cache';
import { ApiError } from "../errors.js";
import { accessOf, declareSlots } from "./context.js";
import { bearerKeyOf, digestOf } from "./lib/api-key.js";
const CACHE_RECORDS_MAX = 10_000;
const CACHE_TTL_MS = 10_000;
const RETRY_AFTER_SECONDS = '2';
const authentication = async (app, options) => {
    const { keys, epochs, failures } = options;
    const now = options.now ?? Date.now;
    if (typeof keys?.findByDigest !== 'function')
        throw new TypeError('authentication: the option keys must be a KeyStore');
    const cache = new LRUCache({ max: CACHE_RECORDS_MAX, ttl: CACHE_TTL_MS });
    declareSlots(app);
    app.addHook('preParsing', async function authenticate(request) {
        if (accessOf(request) !== 'key')
            return;
        await refuseIfBlocked(request);
        const bearerKey = bearerKeyOf(request.headers.authorization);
        if (bearerKey === null)
            return await refuse(request, 'absent_or_malformed');
        const digest = digestOf(bearerKey);
        const cacheKey = digest.toString('base64');
        const found = cache.get(cacheKey) ?? await load(digest, cacheKey);
        if (found === null)
            return await refuse(request, 'unknown');
        const lapse = lapseOf(found.record, now());
        if (lapse !== null && found.epoch !== '')
            cache.delete(cacheKey);
        if (lapse !== null)
            return await refuse(request, lapse);
        request.principal = { ...found.record, epoch: found.epoch };
        request.bearerKey = bearerKey;
        request.reloadPrincipal = (epoch) => reload(request, digest, cacheKey, epoch);
    });
    async function refuseIfBlocked(request) {
        const retryAfterSeconds = await failures?.check(request) ?? null;
        if (retryAfterSeconds === null)
            return;
        throw new ApiError('rate_limited', {
            detail: 'Too many failed requests from this address.',
            headers: { 'retry-after': String(retryAfterSeconds) },
            reason: 'address'
        });
    }
    async function refuse(request, reason) {
        await failures?.count(request);
        throw invalidKey(reason);
    }
    /**
     * A key's first read here is two: the first one finds the key's id and with it the epoch, the second is the record under that
     * epoch. A change is committed before it bumps the epoch, so a record read after the epoch never outlives it unnoticed.
     */
    async function load(digest, cacheKey) {
        const first = await find(digest);
        if (first === null)
            return null;
        const epoch = await readEpoch(first.keyId);
        // Without an epoch the record just read is the freshest there is, and it is not kept.
        if (epoch === '')
            return { record: first, epoch };
        const record = await find(digest);
        return record === null ? null : keep(cacheKey, { record, epoch });
    }
    async function readEpoch(keyId) {
        try {
            return await epochs?.readEpoch(keyId) ?? '';
        }
        catch (err) {
            app.log.debug({ code: (err instanceof Error ? err.name : 'unknown') }, 'epoch not readable; the key record is not cached');
            return '';
        }
    }
    async function reload(request, digest, cacheKey, epoch) {
        cache.delete(cacheKey);
        const record = await find(digest);
        const lapse = record === null ? 'unknown' : lapseOf(record, now());
        if (record === null || lapse !== null) {
            request.principal = null;
            throw invalidKey(lapse ?? 'unknown');
        }
        if (epoch !== '')
            keep(cacheKey, { record, epoch });
        request.principal = { ...record, epoch };
        return request.principal;
    }
    function keep(cacheKey, cached) {
        cache.set(cacheKey, cached);
        return cached;
    }
    async function find(digest) {
        try {
            return await keys.findByDigest(digest);
        }
        catch (cause) {
            throw new ApiError('unavailable', { cause, reason: 'key_store', headers: { 'retry-after': RETRY_AFTER_SECONDS } });
        }
    }
};
/** Why a record does not authenticate at this time, or null. */
function lapseOf(record, nowMs) {
    if (record.state !== 'active')
        return record.state;
    return record.expiresAtMs !== null && record.expiresAtMs <= nowMs ? 'expired' : null;
}
function invalidKey(reason) {
    return new ApiError('invalid_api_key', { headers: { 'www-authenticate': 'Bearer' }, reason });
}
export default fp(authentication, { name: 'authentication', fastify: '5.x' });
//# sourceMappingURL=authentication.js.map