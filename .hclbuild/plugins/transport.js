import fp from 'fastify-plugin';
import { ApiError } from "../errors.js";
import { declareSlots } from "./context.js";
const SINGLE_HEADERS = new Set(['authorization', 'x-fb-signature', 'host', 'content-type', 'content-length', 'transfer-encoding']);
const BODILESS_METHODS = new Set(['GET', 'HEAD', 'DELETE', 'OPTIONS']);
const HSTS = 'max-age=31536000; includeSubDomains';
const transport = async (app, options) => {
    const requireHttps = options.requireHttps ?? true;
    declareSlots(app);
    app.addHook('onRequest', function refuseUnsafeTransport(request, reply, done) {
        if (request.protocol === 'https')
            reply.header('strict-transport-security', HSTS);
        else if (requireHttps)
            return done(new ApiError('https_required'));
        done(preflightRefusal(request) ?? framingRefusal(request, reply) ?? undefined);
    });
};
function preflightRefusal(request) {
    const asksCors = request.headers['access-control-request-method'] !== undefined || request.headers.origin !== undefined;
    return request.method === 'OPTIONS' && asksCors ? new ApiError('browser_refused') : null;
}
// Node joins or drops duplicates silently, so names are counted where they still stand as sent.
function framingRefusal(request, reply) {
    const seen = new Set();
    const { rawHeaders } = request.raw;
    for (let index = 0; index < rawHeaders.length; index += 2) {
        const name = (rawHeaders[index] ?? '').toLowerCase();
        if (!SINGLE_HEADERS.has(name))
            continue;
        if (seen.has(name))
            return malformed(reply, `The header ${name} was sent more than once.`);
        seen.add(name);
    }
    const encoding = request.headers['transfer-encoding'];
    if (encoding !== undefined && encoding.toLowerCase() !== 'chunked')
        return malformed(reply, 'Only the transfer coding chunked is understood.');
    const length = request.headers['content-length'];
    const hasBody = encoding !== undefined || (length !== undefined && length !== '0');
    if (hasBody && BODILESS_METHODS.has(request.method))
        return malformed(reply, `A ${request.method} request must not carry a body.`);
    return null;
}
// The rest of such a message cannot be told from the next one, so the connection ends with the answer.
function malformed(reply, detail) {
    reply.header('connection', 'close');
    return new ApiError('malformed_request', { detail, reason: 'framing' });
}
export default fp(transport, { name: 'transport', fastify: '5.x' });
//# sourceMappingURL=transport.js.map