/** The operations listener: liveness, readiness and metrics for the operator, on its own port, loopback by default. */
import fastify, {} from 'fastify';
const CLOCK_SKEW_MS_MAX = 30_000;
const CHECK_DEADLINE_MS = 2000;
export function buildOps(deps) {
    const ops = fastify({ logger: false, forceCloseConnections: true });
    ops.get('/livez', async () => ({ ok: true }));
    ops.get('/readyz', async (_request, reply) => {
        const checks = await Promise.all([
            check('database', () => clockCheck(deps.databaseClock)),
            check('windows', deps.windowsStore),
            check('draining', async () => {
                if (deps.isDraining())
                    throw new Error('the process is draining');
                return 'no';
            })
        ]);
        const ok = checks.every((one) => one.ok);
        return reply.code(ok ? 200 : 503).send({ ok, checks });
    });
    ops.get('/metrics', async (_request, reply) => reply.type(deps.metrics.registry.contentType).send(await deps.metrics.registry.metrics()));
    return ops;
}
async function clockCheck(databaseClock) {
    const skewMs = Math.abs(await databaseClock() - Date.now());
    if (skewMs > CLOCK_SKEW_MS_MAX)
        throw new Error(`clock differs from the database's by ${Math.round(skewMs)} ms`);
    return `clock within ${Math.round(skewMs)} ms`;
}
async function check(name, work) {
    let timer;
    const deadline = new Promise((_resolve, reject) => {
        timer = setTimeout(() => reject(new Error(`no answer in ${CHECK_DEADLINE_MS} ms`)), CHECK_DEADLINE_MS);
    });
    try {
        return { name, ok: true, detail: await Promise.race([work(), deadline]) };
    }
    catch (err) {
        // Driver messages may hold bound values; the check's own words do not.
        const own = err instanceof Error && /^(clock|no answer|the process)/.test(err.message);
        return { name, ok: false, detail: own ? err.message : 'no answer' };
    }
    finally {
        clearTimeout(timer);
    }
}
//# sourceMappingURL=ops.js.map