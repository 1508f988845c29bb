import fp from 'fastify-plugin';
import { ApiError } from "../errors.js";
import { accessOf, declareSlots, getPrincipal } from "./context.js";
const ACCESSES = new Set(['key', 'open', 'result-token']);
const PERMISSIONS = new Set(['governance:read', 'governance:evaluate', 'admin']);
const permissionScopes = async (app) => {
    declareSlots(app);
    app.principalJudges.push(judgePermission);
    app.addHook('onRoute', refuseUndeclared);
    app.addHook('preParsing', function refuseMissingPermission(request, _reply, payload, done) {
        if (accessOf(request) === 'key') {
            try {
                judgePermission(request, getPrincipal(request));
            }
            catch (err) {
                return done(err instanceof Error ? err : new Error(String(err)));
            }
        }
        done(null, payload);
    });
};
function judgePermission(request, principal) {
    const needed = request.routeOptions.config.scope;
    if (needed === undefined || grants(principal.permissions, needed))
        return;
    throw new ApiError('insufficient_permission', {
        detail: `This request needs the permission ${needed}.`,
        headers: { 'www-authenticate': `Bearer error="insufficient_scope", scope="${needed}"` }
    });
}
/** `admin` includes the other two; nothing else implies anything. */
export function grants(held, needed) {
    return held.includes(needed) || held.includes('admin');
}
function refuseUndeclared(route) {
    const name = `${String(route.method)} ${route.url}`;
    const access = route.config?.access;
    if (!ACCESSES.has(access))
        throw new Error(`${name} declares no access; set config.access to 'key', 'open' or 'result-token'`);
    if (access === 'key' && route.config?.anyPermission !== true && !PERMISSIONS.has(route.config?.scope))
        throw new Error(`${name} needs a key but declares no scope; set config.scope to a permission`);
}
export default fp(permissionScopes, { name: 'permission-scopes', fastify: '5.x', decorators: { request: ['principal'] } });
//# sourceMappingURL=permission-scopes.js.map