import { buildApp } from "../app.js";
import { openAuditWriter, openDatabase } from "../db/client.js";
import { addRefusalCounts } from "../db/queries/system.js";
import { startWorker } from "../evaluation/worker.js";
import { groupCommitSink, refusalCounter } from "../plugins/support/audit-log.js";
import { memoryAdmissionStore, memorySingleUseStore } from "../plugins/support/memory.js";
import { createMetrics } from "../plugins/support/metrics.js";
import { connectRedis, redisAdmissionStore, redisHealth, redisSingleUseStore } from "../plugins/support/redis.js";
import { buildOps } from "./ops.js";
export async function openRuntime(config, options = {}) {
    const serve = options.serve ?? true;
    const database = await openDatabase({ url: config.databaseUrl });
    if (options.migrate ?? true)
        await database.migrate();
    const windows = openWindows(config);
    const writer = await openAuditWriter({ url: config.databaseUrl }, database);
    const audit = groupCommitSink({ write: (rows) => writer.write(rows) });
    const refusals = refusalCounter({ write: (counts) => addRefusalCounts(database.db, counts) });
    const metrics = createMetrics();
    let draining = false;
    const logger = loggerOptions(config);
    const wakeWorker = { kick: () => { } };
    const { admission, singleUse } = windows;
    const app = await buildApp(config, { database, admission, singleUse, audit, refusals, metrics, logger, wake: () => wakeWorker.kick() });
    const worker = config.worker ? startWorker({ database, workerId: config.instanceId, logger: app.log }) : null;
    if (worker !== null)
        wakeWorker.kick = () => worker.kick();
    const ops = buildOps({ metrics, databaseClock: () => database.ping(), windowsStore: windows.health, isDraining: () => draining });
    async function listen() {
        await ops.listen({ host: config.opsHost, port: config.opsPort });
        const scheme = config.tlsCertPath === null ? 'http' : 'https';
        if (serve)
            await app.listen({ host: config.host, port: config.port });
        return { url: serve ? addressOf(app, scheme) : '', opsUrl: addressOf(ops, 'http') };
    }
    async function close() {
        draining = true;
        await app.close();
        await worker?.stop();
        await audit.close();
        await refusals.close();
        await writer.close();
        await windows.close();
        await database.close();
        await ops.close();
    }
    return { config, database, admission, singleUse, app, ops, stores: `${database.kind}, ${windows.name}`, listen, close };
}
function openWindows(config) {
    if (config.redisUrl === null) {
        return { admission: memoryAdmissionStore(), singleUse: memorySingleUseStore(), name: 'in-memory windows', health: async () => 'in memory', close: async () => { } };
    }
    const redis = connectRedis(config.redisUrl, { logger: console });
    const { redisPrefix: prefix } = config;
    return {
        admission: redisAdmissionStore(redis, { prefix }),
        singleUse: redisSingleUseStore(redis, { prefix }),
        name: 'redis',
        health: async () => JSON.stringify(await redisHealth(redis)),
        close: async () => { redis.disconnect(); }
    };
}
// Allow-list: what is not named here is not logged. The raw URL can hold a result token and never is.
function loggerOptions(config) {
    if (config.logLevel === 'silent')
        return false;
    return {
        level: config.logLevel,
        base: { instance: config.instanceId },
        serializers: {
            req: (request) => ({ method: request.method, route: request.routeOptions?.url ?? '*' }),
            res: (reply) => ({ status: reply.statusCode }),
            err: (err) => ({ type: err.name, message: '', stack: (err.stack ?? '').split('\n').filter((line) => line.startsWith('    at ')).join('\n') })
        }
    };
}
function addressOf(app, scheme) {
    const address = app.server.address();
    if (address === null)
        return '';
    const host = address.family === 'IPv6' ? `[${address.address}]` : address.address;
    return `${scheme}://${host}:${address.port}`;
}
//# sourceMappingURL=runtime.js.map