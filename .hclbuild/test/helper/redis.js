import { randomBytes } from 'node:crypto';
import { closeRedis, connectRedis, whenReady } from "../../plugins/support/redis.js";
/** A real server and a key prefix of the test's own, removed at teardown; null when no server answers. Nothing is flushed. */
export async function testRedis(t) {
    const url = process.env['TEST_REDIS_URL'] ?? 'redis://127.0.0.1:6379';
    const redis = connectRedis(url);
    if (!await whenReady(redis)) {
        redis.disconnect();
        t.comment('stores: no Redis answers; set TEST_REDIS_URL');
        return null;
    }
    const prefix = `fbtest-${randomBytes(6).toString('hex')}`;
    t.comment('stores: Redis');
    t.teardown(async () => {
        const keys = await keysOf(redis, prefix);
        if (keys.length > 0)
            await redis.del(...keys);
        await closeRedis(redis);
    });
    return { url, redis, prefix };
}
export async function keysOf(redis, prefix) {
    const keys = [];
    for await (const found of redis.scanStream({ match: `${prefix}:*`, count: 1000 }))
        keys.push(...found);
    return keys;
}
//# sourceMappingURL=redis.js.map