import { ApiError } from "../errors.js";
const REQUEST_SLOTS = ['principal', 'bearerKey', 'rawBody', 'replayId', 'window', 'refusal', 'watermark', 'redeemedJti', 'tokenOrgId',
    'onUnsent', 'reloadPrincipal'];
/** Declares every slot once, with null, so that all requests share one shape. Each layer calls it; the first call counts. */
export function declareSlots(app) {
    for (const slot of REQUEST_SLOTS)
        if (!app.hasRequestDecorator(slot))
            app.decorateRequest(slot, null);
    if (!app.hasRequestDecorator('degraded'))
        app.decorateRequest('degraded', false);
    if (!app.hasDecorator('principalJudges'))
        app.decorate('principalJudges', []);
}
/** The authenticated caller. Throws `internal_error` when authentication has not run: a missing principal is never anonymous. */
export function getPrincipal(request) {
    if (request.principal === null)
        throw new ApiError('internal_error', { cause: new Error('no principal: the authentication layer has not run on this route') });
    return request.principal;
}
/** Access that the route declared; an unknown route inside the surface is judged like a protected one. */
export function accessOf(request) {
    return request.routeOptions.config.access ?? 'key';
}
//# sourceMappingURL=context.js.map