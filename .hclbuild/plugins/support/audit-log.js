/**
 * The audit log's two writers. `groupCommitSink`: one row per answered request, durable before the answer leaves; one
 * statement is in flight and whatever arrives meanwhile is the next batch, so no timer trades latency for throughput.
 * `refusalCounter`: refusals before authentication, counted per network and minute, so that a flood of them costs a bounded
 * number of rows. When the database is down the sink answers `unavailable` (503) and the counter keeps what it has.
 */
import { isIPv4 } from 'node:net';
import { ApiError } from "../../errors.js";
import { normaliseAddress } from "../lib/cidr.js";
const MINUTE_MS = 60_000;
const FLUSH_BATCH_MAX = 500;
export function groupCommitSink(options) {
    const { write, batchMax = 500, queueMax = 10_000, deadlineMs = 3000 } = options;
    for (const [name, value] of Object.entries({ batchMax, queueMax, deadlineMs }))
        if (!(value >= 1))
            throw new RangeError(`${name} must be at least 1`);
    let queue = [];
    let batch = [];
    let isClosed = false;
    let isWriting = false;
    let timer;
    let drained = [];
    /** Writes batch after batch until nothing waits. */
    async function commit() {
        if (isWriting)
            return;
        isWriting = true;
        while (queue.length > 0) {
            batch = queue.slice(0, batchMax);
            queue = queue.slice(batchMax);
            try {
                await write(batch.map((pending) => pending.row));
                for (const pending of batch)
                    pending.resolve();
            }
            catch (cause) {
                for (const pending of batch)
                    pending.reject(unavailable('audit_write_failed', cause));
            }
            batch = [];
        }
        isWriting = false;
        clearTimeout(timer);
        timer = undefined;
        for (const resolve of drained)
            resolve();
        drained = [];
    }
    /** One timer for the oldest row: all rows have the same patience, so the lists are in order of expiry. */
    function watch() {
        const oldest = batch[0] ?? queue[0];
        if (timer !== undefined || oldest === undefined)
            return;
        timer = setTimeout(giveUp, Math.max(1, oldest.expiresAtMs - performance.now()));
    }
    function giveUp() {
        timer = undefined;
        const nowMs = performance.now();
        for (const pending of [...batch, ...queue])
            if (pending.expiresAtMs <= nowMs)
                pending.reject(unavailable('audit_deadline'));
        batch = batch.filter((pending) => pending.expiresAtMs > nowMs);
        queue = queue.filter((pending) => pending.expiresAtMs > nowMs);
        watch();
    }
    return {
        record(row) {
            if (isClosed)
                return Promise.reject(unavailable('audit_closed'));
            if (queue.length >= queueMax)
                return Promise.reject(unavailable('audit_queue_full'));
            return new Promise((resolve, reject) => {
                queue.push({ row, expiresAtMs: performance.now() + deadlineMs, resolve, reject });
                commit();
                watch();
            });
        },
        async close() {
            isClosed = true;
            if (!isWriting)
                return;
            // A statement that never ends must not hold the shutdown longer than it held its rows.
            let deadline;
            await new Promise((resolve) => {
                drained.push(resolve);
                deadline = setTimeout(resolve, deadlineMs + 100);
            });
            clearTimeout(deadline);
        }
    };
}
function unavailable(reason, cause) {
    return new ApiError('unavailable', { headers: { 'retry-after': '2' }, reason, ...(cause === undefined ? {} : { cause }) });
}
export function refusalCounter(options) {
    const { write, flushMs = 1000, bucketsMax = 5000, onError } = options;
    if (!(flushMs >= 1) || !(bucketsMax >= 1))
        throw new RangeError('flushMs and bucketsMax must be at least 1');
    const buckets = new Map();
    let running = null;
    const timer = setInterval(flush, flushMs).unref();
    async function writeAll() {
        const entries = [...buckets];
        for (let from = 0; from < entries.length; from += FLUSH_BATCH_MAX) {
            const taken = entries.slice(from, from + FLUSH_BATCH_MAX).map(([key, bucket]) => ({ key, bucket, count: bucket.count }));
            try {
                await write(taken.map(({ bucket, count }) => ({ ...bucket, count })));
            }
            catch (err) {
                onError?.(err);
                return;
            }
            for (const { key, bucket, count } of taken) {
                bucket.count -= count;
                if (bucket.count === 0)
                    buckets.delete(key);
            }
        }
    }
    function flush() {
        running ??= writeAll().finally(() => { running = null; });
        return running;
    }
    return {
        count({ ip, code, at }) {
            const minuteMs = Math.floor(at.getTime() / MINUTE_MS) * MINUTE_MS;
            let network = networkOf(ip);
            let key = `${minuteMs} ${network} ${code}`;
            if (!buckets.has(key) && buckets.size >= bucketsMax) {
                // One overflow bucket per code, whatever the minute: their number is the catalogue's, however long the store is away.
                network = '*';
                key = `* ${code}`;
            }
            const bucket = buckets.get(key);
            if (bucket === undefined)
                buckets.set(key, { minute: new Date(minuteMs), network, code, count: 1 });
            else
                bucket.count++;
        },
        flush,
        async close() {
            clearInterval(timer);
            await running;
            await flush();
        }
    };
}
/** The /24 of an IPv4 address, the /64 of an IPv6 address; `unknown` for anything else. */
export function networkOf(ip) {
    const address = normaliseAddress(ip);
    if (address === null)
        return 'unknown';
    if (isIPv4(address))
        return `${address.slice(0, address.lastIndexOf('.'))}.0/24`;
    const [head = '', tail] = address.split('%', 1).join('').split('::');
    const left = head === '' ? [] : head.split(':');
    const right = tail === undefined || tail === '' ? [] : tail.split(':');
    const rightGroups = right.length + (right.at(-1)?.includes('.') === true ? 1 : 0);
    const zeros = tail === undefined ? 0 : 8 - left.length - rightGroups;
    const groups = [...left, ...new Array(zeros).fill('0'), ...right].slice(0, 4);
    return `${groups.map((group) => Number.parseInt(group, 16).toString(16)).join(':')}::/64`;
}
//# sourceMappingURL=audit-log.js.map