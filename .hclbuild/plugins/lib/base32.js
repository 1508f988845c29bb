/** Crockford base 32, upper case: the alphabet of ULIDs (github.com/ulid/spec). */
export const CROCKFORD = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
/** Encodes whole bytes, five bits a character; the last character is padded with zero bits. */
export function encodeCrockford(bytes) {
    let text = '';
    let bits = 0;
    let held = 0;
    for (const byte of bytes) {
        held = (held << 8) | byte;
        bits += 8;
        while (bits >= 5) {
            bits -= 5;
            text += CROCKFORD.charAt((held >>> bits) & 31);
        }
        held &= (1 << bits) - 1;
    }
    return bits === 0 ? text : text + CROCKFORD.charAt((held << (5 - bits)) & 31);
}
/** A time in milliseconds as the first ten characters of a ULID. */
export function encodeTime(nowMs) {
    let rest = Math.floor(nowMs);
    let text = '';
    for (let place = 0; place < 10; place++) {
        text = CROCKFORD.charAt(rest % 32) + text;
        rest = Math.floor(rest / 32);
    }
    return text;
}
//# sourceMappingURL=base32.js.map