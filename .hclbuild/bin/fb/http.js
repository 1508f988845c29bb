/** The partner's side of the wire: signs a request and sends it. Used by `fb call`, `fb sign` and the demonstration. */
import { signRequest } from "../../plugins/lib/hmac.js";
export const SURFACE_PREFIX = '/api/public/v1';
const ANSWER_DEADLINE_MS = 30_000;
/** The path as the surface knows it: `/evaluate` becomes `/api/public/v1/evaluate`. */
export function withPrefix(target) {
    return target === SURFACE_PREFIX || target.startsWith(`${SURFACE_PREFIX}/`) ? target : SURFACE_PREFIX + target;
}
/** The headers that make a request acceptable now; they are good for 300 seconds. */
export function signatureFor(key, method, target, body, timestampSeconds = Math.floor(Date.now() / 1000)) {
    return signRequest({ key, timestampSeconds, method: method.toUpperCase(), path: target.split('?', 1)[0] ?? target, body });
}
export async function send(request) {
    const { origin, method, target, key, body } = request;
    const headers = { ...request.headers };
    if (key !== undefined)
        headers['authorization'] = `Bearer ${key}`;
    if (key !== undefined && request.isSigned !== false)
        headers['x-fb-signature'] = signatureFor(key, method, target, request.signedBody ?? body ?? Buffer.alloc(0));
    if (body !== undefined)
        headers['content-type'] = 'application/json';
    const response = await fetch(origin + target, {
        method: method.toUpperCase(),
        headers,
        redirect: 'manual',
        signal: AbortSignal.timeout(ANSWER_DEADLINE_MS),
        ...(body === undefined ? {} : { body: new Uint8Array(body) })
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, text, json: parseOrNull(text) };
}
function parseOrNull(text) {
    try {
        return JSON.parse(text);
    }
    catch {
        // An answer that is not JSON is shown as it came.
        return null;
    }
}
//# sourceMappingURL=http.js.map