import fp from 'fastify-plugin';
import { ApiError } from "../errors.js";
import { accessOf, declareSlots, getPrincipal } from "./context.js";
import { localWindows } from "./support/local-windows.js";
const RELOADS_MAX = 3;
const REPLAY_TTL_SECONDS = 601;
const RETRY_AFTER_SECONDS = '2';
const rateLimits = async (app, options) => {
    const { store } = options;
    const instances = options.instances ?? 1;
    if (typeof store?.admit !== 'function')
        throw new TypeError('rate-limits: the option store must be an AdmissionStore');
    if (!Number.isSafeInteger(instances) || instances < 1)
        throw new TypeError('rate-limits: instances must be a positive whole number');
    const local = localWindows({ instances });
    declareSlots(app);
    app.addHook('preParsing', async function admit(request, reply, payload) {
        if (accessOf(request) !== 'key')
            return payload;
        const verdict = await judge(request);
        if (verdict.outcome === 'replayed')
            throw new ApiError('signature_replayed');
        request.window = verdict.window;
        setWindowHeaders(request, reply);
        if (verdict.outcome === 'refused')
            throw exceeded(getPrincipal(request), verdict);
        return payload;
    });
    async function judge(request) {
        for (let reloads = 0; reloads <= RELOADS_MAX; reloads++) {
            let verdict;
            try {
                verdict = await store.admit(admissionOf(request));
            }
            catch (err) {
                return await judgeLocally(request, err);
            }
            if (verdict.outcome !== 'stale')
                return verdict;
            await rejudge(request, verdict.epoch);
        }
        throw new ApiError('unavailable', { reason: 'epoch', headers: { 'retry-after': RETRY_AFTER_SECONDS } });
    }
    async function judgeLocally(request, err) {
        app.log.debug({ reason: err instanceof Error ? err.name : 'unknown' }, 'windows judged in process');
        // A cached record cannot be checked against its epoch now, so it is read again.
        if (getPrincipal(request).epoch !== '')
            await rejudge(request, '');
        request.degraded = true;
        const { keyId, perMinute, perHour, replayId, replayTtlSeconds } = admissionOf(request);
        const verdict = local.admit(keyId, perMinute, perHour, replayId, replayTtlSeconds);
        if (verdict.outcome === 'stale')
            throw new ApiError('internal_error', { cause: new Error('a local window has no epochs') });
        return verdict;
    }
    async function rejudge(request, epoch) {
        if (request.reloadPrincipal === null)
            throw new ApiError('internal_error', { cause: new Error('no way to read the key record again: the authentication layer has not run') });
        const principal = await request.reloadPrincipal(epoch);
        for (const judgeAgain of app.principalJudges)
            judgeAgain(request, principal);
    }
};
function admissionOf(request) {
    const { keyId, epoch, perMinute, perHour } = getPrincipal(request);
    return { keyId, epoch, perMinute, perHour, replayId: request.replayId, replayTtlSeconds: REPLAY_TTL_SECONDS };
}
function setWindowHeaders(request, reply) {
    const { window } = request;
    if (window === null)
        return;
    reply.header('x-ratelimit-limit', window.limit);
    reply.header('x-ratelimit-remaining', window.remaining);
    reply.header('x-ratelimit-reset', Math.ceil(window.resetAtMs / 1000));
}
function exceeded(principal, verdict) {
    const retryAfterSeconds = Math.max(1, Math.ceil(verdict.retryAfterMs / 1000));
    const limit = verdict.blocked === 'minute' ? principal.perMinute : principal.perHour;
    return new ApiError('rate_limited', {
        detail: `The limit of ${limit} requests per ${verdict.blocked} is reached.`,
        headers: {
            'retry-after': String(retryAfterSeconds),
            // draft-ietf-httpapi-ratelimit-headers
            'ratelimit-policy': `"minute";q=${principal.perMinute};w=60, "hour";q=${principal.perHour};w=3600`,
            ratelimit: `"${verdict.blocked}";r=0;t=${retryAfterSeconds}`
        },
        reason: verdict.blocked
    });
}
export default fp(rateLimits, { name: 'rate-limits', fastify: '5.x', decorators: { request: ['principal', 'replayId'] } });
//# sourceMappingURL=rate-limits.js.map