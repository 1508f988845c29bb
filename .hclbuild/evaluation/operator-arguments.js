import { parseCidr } from "../plugins/lib/cidr.js";
const PERMISSIONS = ['governance:read', 'governance:evaluate', 'admin'];
const TEXT_CHARS_MAX = 200;
const RANGES_MAX = 100;
const PER_MINUTE_DEFAULT = 60;
const PER_HOUR_DEFAULT = 1000;
const LIMIT_MAX = 1_000_000;
const ISO_DATE = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2}))?$/;
export class OperationError extends Error {
    kind;
    constructor(kind, message, options) {
        super(message, options);
        this.name = 'OperationError';
        this.kind = kind;
    }
}
/** The options of a new key. Defaults: every address, 60 a minute, 1000 an hour, no expiry. */
export function parseKeyOptions(args, nowMs) {
    const perMinute = readLimit(args['rpm'], 'rpm', PER_MINUTE_DEFAULT);
    const perHour = readLimit(args['rph'], 'rph', PER_HOUR_DEFAULT);
    return {
        name: readText(args, 'name'),
        permissions: readPermissions(args['permissions']),
        ipAllowlist: readRanges(args['ip_allow']),
        perMinute,
        perHour,
        expiresAt: readExpiry(args['expires'], nowMs)
    };
}
export function readObject(value) {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
        throw new OperationError('usage', 'arguments must be an object');
    return value;
}
/** A text of 1 to 200 characters without control characters. */
export function readText(args, name) {
    const value = args[name];
    if (typeof value !== 'string' || value.trim() === '')
        throw new OperationError('usage', `${name} must not be empty`);
    // The organization's and the key's name are shown on terminals: no escape sequence may hide in one.
    if (value.length > TEXT_CHARS_MAX || /\p{Cc}/u.test(value))
        throw new OperationError('usage', `${name} must have at most ${TEXT_CHARS_MAX} characters and no control characters`);
    return value.trim();
}
export function readFiles(args) {
    const files = args['files'];
    if (!Array.isArray(files))
        throw new OperationError('usage', 'files must be a list');
    return files.map((file) => {
        const { path, text } = readObject(file);
        if (typeof path !== 'string' || typeof text !== 'string')
            throw new OperationError('usage', 'each file needs a path and a text');
        return { path, text };
    });
}
function readPermissions(value) {
    const named = readTexts(value, 'permissions');
    const unknown = named.filter((one) => !PERMISSIONS.some((known) => known === one));
    if (unknown.length > 0)
        throw new OperationError('usage', `unknown permission ${unknown.map((one) => JSON.stringify(one)).join(', ')}; known: ${PERMISSIONS.join(', ')}`);
    if (named.length === 0)
        throw new OperationError('usage', `permissions must name at least one of ${PERMISSIONS.join(', ')}`);
    return PERMISSIONS.filter((known) => named.includes(known));
}
function readRanges(value) {
    const ranges = [...new Set(readTexts(value ?? [], 'ip_allow'))];
    if (ranges.length > RANGES_MAX)
        throw new OperationError('usage', `ip_allow takes at most ${RANGES_MAX} ranges`);
    for (const range of ranges) {
        try {
            parseCidr(range);
        }
        catch (cause) {
            throw new OperationError('usage', `ip_allow: ${cause instanceof Error ? cause.message : 'not a range'}`, { cause });
        }
    }
    return ranges;
}
function readTexts(value, name) {
    if (!Array.isArray(value) || !value.every((one) => typeof one === 'string'))
        throw new OperationError('usage', `${name} must be a list of texts`);
    return value;
}
function readLimit(value, name, fallback) {
    if (value === undefined || value === null)
        return fallback;
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 1 || value > LIMIT_MAX)
        throw new OperationError('usage', `${name} must be a whole number from 1 to ${LIMIT_MAX}`);
    return value;
}
function readExpiry(value, nowMs) {
    if (value === undefined || value === null)
        return null;
    const at = typeof value === 'string' && ISO_DATE.test(value) ? new Date(value) : null;
    if (at === null || Number.isNaN(at.getTime()))
        throw new OperationError('usage', 'expires must be an ISO 8601 date with its zone, such as 2027-01-31 or 2027-01-31T12:00:00Z');
    if (at.getTime() <= nowMs)
        throw new OperationError('usage', 'expires must lie in the future');
    return at;
}
//# sourceMappingURL=operator-arguments.js.map