/**
 * Record ids that carry a short MAC of their organization: an id minted for somebody else is refused by arithmetic, without a
 * lookup and without revealing whether the record exists. Shape: prefix, `_`, 26 characters of a ULID. Of its 80 random bits the
 * last 40 are the tag, so that 40 random bits a millisecond and organization keep ids apart and 40 tag bits make a guess at one
 * organization's ids fail with probability 1 - 2^-40 for each try. The tag is not what isolates organizations: row-level security is.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { encodeCrockford, encodeTime } from "./base32.js";
const UNIQUE_CHARS = 18;
const TAG_CHARS = 8;
const TAG_BYTES = 5;
const RECORD_ID = /^([a-z]{2,8})_([0-9A-HJKMNP-TV-Z]{18})([0-9A-HJKMNP-TV-Z]{8})$/;
/** A ULID: 48 bits of time, 80 random bits, 26 characters. */
export function ulid(nowMs = Date.now()) {
    return encodeTime(nowMs) + encodeCrockford(randomBytes(10));
}
/** A new id of `prefix` for one organization; 26 characters after the underscore. */
export function mintRecordId(prefix, orgId, secret, nowMs = Date.now()) {
    const unique = encodeTime(nowMs) + encodeCrockford(randomBytes(TAG_BYTES));
    return `${prefix}_${unique}${tagOf(prefix, unique, orgId, secret)}`;
}
/** Whether an id was minted with this prefix for this organization; false for any other shape. Constant time in the tag. */
export function belongsTo(id, prefix, orgId, secret) {
    const match = RECORD_ID.exec(id);
    if (match === null || match[1] !== prefix)
        return false;
    const [, , unique = '', tag = ''] = match;
    return timingSafeEqual(Buffer.from(tag), Buffer.from(tagOf(prefix, unique, orgId, secret)));
}
/** Whether a text has the shape of a record id with this prefix. */
export function isRecordId(text, prefix) {
    const match = RECORD_ID.exec(text);
    return match !== null && match[1] === prefix && match[2]?.length === UNIQUE_CHARS;
}
function tagOf(prefix, unique, orgId, secret) {
    const mac = createHmac('sha256', secret).update(`${orgId}.${prefix}_${unique}`).digest();
    return encodeCrockford(mac.subarray(0, TAG_BYTES)).slice(0, TAG_CHARS);
}
//# sourceMappingURL=record-id.js.map