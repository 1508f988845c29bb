/**
 * Strict JSON for a scope: exact media type, valid UTF-8, no prototype keys, no NUL, no lone surrogate, bounded nesting; and a
 * validator that neither coerces nor drops. Not a layer. Runs after the signature, so a forged body never pays for its parse.
 */
import { Ajv } from 'ajv';
import fp from 'fastify-plugin';
import sjson from 'secure-json-parse';
import { ApiError } from "../../errors.js";
const DEPTH_MAX = 64;
const BODY_BYTES_MAX = 10 * 1024 * 1024;
const OPEN_BRACE = 0x7b;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACE = 0x7d;
const CLOSE_BRACKET = 0x5d;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const jsonBody = async (app, options) => {
    const bodyLimit = options.bodyBytesMax ?? BODY_BYTES_MAX;
    const ajv = new Ajv({ allErrors: false, coerceTypes: false, removeAdditional: false, useDefaults: false, strict: true, strictSchema: 'log', logger: false });
    app.setValidatorCompiler(({ schema }) => ajv.compile(schema));
    app.removeAllContentTypeParsers();
    app.addContentTypeParser(/^application\/json(?:\s*;\s*charset=(?:"utf-8"|utf-8))?$/i, { parseAs: 'buffer', bodyLimit }, function parseStrictly(_request, body, done) {
        try {
            done(null, parseJson(Buffer.isBuffer(body) ? body : Buffer.from(body)));
        }
        catch (err) {
            done(err instanceof Error ? err : new Error('unreadable body'));
        }
    });
};
/** Parses a JSON text as strictly as the contract asks. Throws `malformed_request`. */
export function parseJson(bytes) {
    if (bytes.length === 0)
        return undefined;
    refuseDeepNesting(bytes);
    let text;
    try {
        text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    }
    catch {
        throw malformed('The body is not valid UTF-8.');
    }
    let value;
    try {
        value = sjson.parse(text, undefined, { protoAction: 'error', constructorAction: 'error' });
    }
    catch {
        throw malformed('The body is not JSON, or holds a forbidden key.');
    }
    // Only an escape can bring a NUL or a lone surrogate into valid UTF-8, so most bodies are not walked.
    if (/\\u(?:0000|[dD][89abAB])/i.test(text))
        refuseForbiddenText(value);
    return value;
}
function refuseDeepNesting(bytes) {
    let depth = 0;
    let inString = false;
    for (let index = 0; index < bytes.length; index++) {
        const byte = bytes[index];
        if (inString) {
            if (byte === BACKSLASH)
                index++;
            else if (byte === QUOTE)
                inString = false;
        }
        else if (byte === QUOTE)
            inString = true;
        else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
            if (++depth > DEPTH_MAX)
                throw malformed(`The body nests deeper than ${DEPTH_MAX}.`);
        }
        else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET)
            depth--;
    }
}
// Nesting is bounded by now, yet the walk keeps its own stack: the bound may change.
function refuseForbiddenText(root) {
    const pending = [root];
    while (pending.length > 0) {
        const value = pending.pop();
        if (typeof value === 'string')
            refuseText(value);
        else if (Array.isArray(value))
            for (const item of value)
                pending.push(item);
        else if (typeof value === 'object' && value !== null) {
            for (const [name, item] of Object.entries(value)) {
                refuseText(name);
                pending.push(item);
            }
        }
    }
}
function refuseText(text) {
    if (text.includes('\0') || !text.isWellFormed())
        throw malformed('A text holds NUL or a lone surrogate.');
}
function malformed(detail) {
    return new ApiError('malformed_request', { detail, reason: 'json' });
}
export default fp(jsonBody, { name: 'json-body', fastify: '5.x' });
//# sourceMappingURL=json-body.js.map