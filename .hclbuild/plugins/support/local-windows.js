/**
 * Windows and replay records in this process: what judges while the shared store is away (with this instance's share of
 * each limit), and what the embedded default runs on (with the whole). Bounded: idle windows and lapsed replay records are
 * swept, and beyond `keysMax` keys or `replaysMax` records the least recently used go first.
 */
import { LRUCache } from 'lru-cache';
import { assertLimits, HOUR_MS, SlidingWindow } from "../lib/sliding-window.js";
const SWEEP_EVERY_MS = 30_000;
export function localWindows(options) {
    const { instances, now = Date.now, keysMax = 10_000, replaysMax = 100_000 } = options;
    if (!Number.isInteger(instances) || instances < 1)
        throw new RangeError(`instances must be a whole number from 1, not ${instances}`);
    const windows = new LRUCache({ max: keysMax });
    const replayExpiryMs = new LRUCache({ max: replaysMax });
    let sweptMs = now();
    function sweep(nowMs) {
        if (Math.abs(nowMs - sweptMs) < SWEEP_EVERY_MS)
            return;
        sweptMs = nowMs;
        for (const [keyId, window] of windows.entries())
            if (nowMs - window.newestMs >= HOUR_MS)
                windows.delete(keyId);
        for (const [replay, expiryMs] of replayExpiryMs.entries())
            if (expiryMs <= nowMs)
                replayExpiryMs.delete(replay);
    }
    return {
        admit(keyId, perMinute, perHour, replayId, replayTtlSeconds) {
            assertLimits({ perMinute, perHour });
            const nowMs = now();
            sweep(nowMs);
            const replay = replayId === null ? null : `${keyId}:${replayId}`;
            if (replay !== null && (replayExpiryMs.get(replay) ?? 0) > nowMs)
                return { outcome: 'replayed' };
            const limits = { perMinute: share(perMinute, instances), perHour: share(perHour, instances) };
            const window = windows.get(keyId) ?? new SlidingWindow(limits);
            window.setLimits(limits);
            const verdict = window.admit(nowMs);
            windows.set(keyId, window);
            if (replay !== null && verdict.outcome === 'admitted')
                replayExpiryMs.set(replay, nowMs + replayTtlSeconds * 1000);
            // The published limit is the key's, whatever part of it this instance may serve.
            return { ...verdict, window: { ...verdict.window, limit: perMinute } };
        }
    };
}
function share(limit, instances) {
    return Math.max(1, Math.floor(limit / instances));
}
//# sourceMappingURL=local-windows.js.map