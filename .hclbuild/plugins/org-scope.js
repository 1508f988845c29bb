import fp from 'fastify-plugin';
import { ApiError } from "../errors.js";
import { accessOf, declareSlots, getPrincipal } from "./context.js";
import { belongsTo, isRecordId } from "./lib/record-id.js";
const SECRET_BYTES_MIN = 32;
const orgScope = async (app, options) => {
    const { recordIdSecret } = options;
    const recordParams = Object.entries(options.recordParams ?? { evaluation_id: 'req', id: 'scn' });
    if (!Buffer.isBuffer(recordIdSecret) || recordIdSecret.length < SECRET_BYTES_MIN)
        throw new TypeError(`org-scope: recordIdSecret must be a Buffer of at least ${SECRET_BYTES_MIN} bytes`);
    declareSlots(app);
    app.principalJudges.push(judgeRecordIds);
    app.addHook('preParsing', function refuseForeignRecord(request, _reply, payload, done) {
        if (accessOf(request) === 'key') {
            try {
                judgeRecordIds(request, getPrincipal(request));
            }
            catch (err) {
                return done(err instanceof Error ? err : new Error(String(err)));
            }
        }
        done(null, payload);
    });
    app.addHook('preHandler', function refuseForeignOrganization(request, _reply, done) {
        const named = accessOf(request) === 'key' ? organizationIn(request.body) : undefined;
        done(named !== undefined && named !== getPrincipal(request).orgId ? new ApiError('organization_mismatch') : undefined);
    });
    function judgeRecordIds(request, principal) {
        const params = request.params;
        if (typeof params !== 'object' || params === null)
            return;
        for (const [name, prefix] of recordParams) {
            const id = Reflect.get(params, name);
            if (typeof id !== 'string')
                continue;
            if (id.includes('.'))
                throw new ApiError('malformed_request', { detail: 'A record id must not contain a dot.', reason: 'record_id' });
            if (isRecordId(id, prefix) && !belongsTo(id, prefix, principal.orgId, recordIdSecret))
                throw new ApiError('organization_mismatch');
        }
    }
};
function organizationIn(body) {
    return typeof body === 'object' && body !== null && Object.hasOwn(body, 'org_id') ? Reflect.get(body, 'org_id') : undefined;
}
export default fp(orgScope, { name: 'org-scope', fastify: '5.x', decorators: { request: ['principal'] } });
//# sourceMappingURL=org-scope.js.map