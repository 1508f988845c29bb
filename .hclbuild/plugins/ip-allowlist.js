import fp from 'fastify-plugin';
import { ApiError } from "../errors.js";
import { accessOf, declareSlots, getPrincipal } from "./context.js";
import { compileAllowlist, normaliseAddress } from "./lib/cidr.js";
const ipAllowlist = async (app) => {
    // Records are frozen values shared by requests, so the list object itself is the cache's key.
    const compiled = new WeakMap();
    declareSlots(app);
    app.principalJudges.push(judgeAddress);
    app.addHook('preParsing', function refuseForeignAddress(request, _reply, payload, done) {
        if (accessOf(request) === 'key') {
            try {
                judgeAddress(request, getPrincipal(request));
            }
            catch (err) {
                return done(err instanceof Error ? err : new Error(String(err)));
            }
        }
        done(null, payload);
    });
    function judgeAddress(request, principal) {
        const ranges = principal.ipAllowlist;
        if (ranges.length === 0)
            return;
        const ip = normaliseAddress(request.ip);
        if (ip === null || !matcherOf(ranges)(ip))
            throw new ApiError('ip_not_allowed', { detail: ip ?? 'unknown' });
    }
    function matcherOf(ranges) {
        const known = compiled.get(ranges);
        if (known !== undefined)
            return known;
        let matcher;
        try {
            matcher = compileAllowlist(ranges);
        }
        catch (err) {
            app.log.error({ reason: err instanceof Error ? err.message : 'unreadable' }, 'an IP allowlist cannot be read; its key is refused from everywhere');
            matcher = () => false;
        }
        compiled.set(ranges, matcher);
        return matcher;
    }
};
export default fp(ipAllowlist, { name: 'ip-allowlist', fastify: '5.x', decorators: { request: ['principal'] } });
//# sourceMappingURL=ip-allowlist.js.map