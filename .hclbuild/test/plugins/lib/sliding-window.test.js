import fc from 'fast-check';
import t from 'tap';
import { SlidingWindow } from "../../../plugins/lib/sliding-window.js";
const START_MS = Date.UTC(2026, 0, 1);
/** The definition, in full: every admitted time, sorted, counted. */
class ExactLog {
    limits;
    admitted = [];
    constructor(limits) { this.limits = limits; }
    used(nowMs, windowMs) { return this.admitted.filter((at) => nowMs - at < windowMs).length; }
    fits(nowMs) { return this.used(nowMs, 60_000) < this.limits.perMinute && this.used(nowMs, 3_600_000) < this.limits.perHour; }
    /** Only a leaving time can make room, so only those moments need to be tried. */
    waitMs(nowMs) {
        const moments = this.admitted.flatMap((at) => [at + 60_000, at + 3_600_000]).filter((at) => at > nowMs).sort((a, b) => a - b);
        return (moments.find((at) => this.fits(at)) ?? Number.NaN) - nowMs;
    }
    admit(nowMs) {
        const isAdmitted = this.fits(nowMs);
        const waitMs = isAdmitted ? null : this.waitMs(nowMs);
        if (isAdmitted)
            this.admitted.push(nowMs);
        const newest = this.admitted.at(-1);
        return {
            isAdmitted,
            waitMs,
            remaining: Math.max(0, Math.min(this.limits.perMinute - this.used(nowMs, 60_000), this.limits.perHour - this.used(nowMs, 3_600_000))),
            resetAtMs: newest !== undefined && nowMs - newest < 60_000 ? newest + 60_000 : nowMs
        };
    }
}
function judge(window, nowMs) {
    const verdict = window.admit(nowMs);
    return {
        isAdmitted: verdict.outcome === 'admitted',
        waitMs: verdict.outcome === 'refused' ? verdict.retryAfterMs : null,
        remaining: verdict.window.remaining,
        resetAtMs: verdict.window.resetAtMs
    };
}
const gap = fc.oneof(fc.integer({ min: 0, max: 50 }), fc.integer({ min: 0, max: 30_000 }), fc.constantFrom(0, 1, 59_999, 60_000, 3_599_999, 3_600_000), fc.integer({ min: 0, max: 2_000_000 }));
const limit = fc.integer({ min: 1, max: 12 });
t.test('decides like an exact log of every admitted request, with the exact Retry-After', async (t) => {
    let requests = 0;
    fc.assert(fc.property(limit, limit, fc.constantFrom(START_MS, 2 ** 32 * 400 - 120_000), fc.array(gap, { maxLength: 120, size: 'max' }), (perMinute, perHour, startMs, gaps) => {
        const [window, log] = [new SlidingWindow({ perMinute, perHour }), new ExactLog({ perMinute, perHour })];
        let nowMs = startMs;
        for (const gapMs of gaps) {
            nowMs += gapMs;
            requests++;
            const [actual, expected] = [judge(window, nowMs), log.admit(nowMs)];
            if (JSON.stringify(actual) !== JSON.stringify(expected))
                throw new Error(`${JSON.stringify(actual)} is not ${JSON.stringify(expected)}`);
        }
    }), { numRuns: 500 });
    t.ok(requests > 5000, `${requests} requests compared`);
});
t.test('a limit that changes keeps what was admitted, like the exact log', async (t) => {
    let requests = 0;
    const step = fc.record({ gapMs: gap, change: fc.option(fc.record({ perMinute: limit, perHour: limit }), { freq: 4 }) });
    fc.assert(fc.property(fc.array(step, { maxLength: 100, size: 'max' }), (steps) => {
        const limits = { perMinute: 5, perHour: 9 };
        const [window, log] = [new SlidingWindow(limits), new ExactLog(limits)];
        let nowMs = START_MS;
        for (const { gapMs, change } of steps) {
            nowMs += gapMs;
            if (change !== null) {
                window.setLimits(change);
                log.limits = change;
            }
            requests++;
            const [actual, expected] = [judge(window, nowMs), log.admit(nowMs)];
            if (JSON.stringify(actual) !== JSON.stringify(expected))
                throw new Error(`${JSON.stringify(actual)} is not ${JSON.stringify(expected)}`);
        }
    }), { numRuns: 300 });
    t.ok(requests > 5000, `${requests} requests compared`);
});
t.test('admits the 60th request of a minute and refuses the 61st until the first is 60 000 ms old', async (t) => {
    const window = new SlidingWindow({ perMinute: 60, perHour: 1000 });
    for (let n = 0; n < 59; n++)
        window.admit(START_MS + n);
    t.match(window.admit(START_MS + 59), { outcome: 'admitted', window: { limit: 60, remaining: 0, resetAtMs: START_MS + 60_059 } });
    t.match(window.admit(START_MS + 59), { outcome: 'refused', blocked: 'minute', retryAfterMs: 59_941 });
    t.equal(window.admit(START_MS + 59_999).outcome, 'refused');
    t.equal(window.admit(START_MS + 60_000).outcome, 'admitted');
});
t.test('admits the 1000th request of an hour and refuses the 1001st until the first is 3 600 000 ms old', async (t) => {
    const window = new SlidingWindow({ perMinute: 60, perHour: 1000 });
    for (let n = 0; n < 1000; n++)
        t.equal(window.admit(START_MS + n * 2000).outcome, 'admitted');
    t.match(window.admit(START_MS + 2_000_000), { outcome: 'refused', blocked: 'hour', retryAfterMs: 1_600_000, window: { remaining: 0 } });
    t.equal(window.admit(START_MS + 3_599_999).outcome, 'refused');
    t.equal(window.admit(START_MS + 3_600_000).outcome, 'admitted');
});
t.test('a clock that steps back keeps a full window closed until it has caught up', async (t) => {
    const window = new SlidingWindow({ perMinute: 3, perHour: 100 });
    for (let n = 0; n < 3; n++)
        window.admit(START_MS);
    t.match(window.admit(START_MS - 600_000), { outcome: 'refused', retryAfterMs: 660_000, window: { remaining: 0, resetAtMs: START_MS + 60_000 } });
    t.equal(window.admit(START_MS + 59_999).outcome, 'refused');
    t.equal(window.admit(START_MS + 60_000).outcome, 'admitted');
});
t.test('the wrap of the u32 clock neither opens nor closes a window, and a rest of 30 days opens it', async (t) => {
    const wrapMs = 2 ** 32 * 415;
    const window = new SlidingWindow({ perMinute: 2, perHour: 100 });
    window.admit(wrapMs - 10);
    window.admit(wrapMs + 10);
    t.match(window.admit(wrapMs + 20), { outcome: 'refused', retryAfterMs: 59_970 });
    t.equal(window.admit(wrapMs + 59_990).outcome, 'admitted');
    t.match(window.admit(wrapMs + 30 * 86_400_000), { outcome: 'admitted', window: { remaining: 1 } });
});
t.test('refuses limits that it cannot hold exactly', async (t) => {
    for (const perHour of [0, -1, 1.5, Number.NaN, 100_001])
        t.throws(() => new SlidingWindow({ perMinute: 60, perHour }), RangeError);
    t.doesNotThrow(() => new SlidingWindow({ perMinute: 60, perHour: 100_000 }));
});
//# sourceMappingURL=sliding-window.test.js.map