/**
 * Environment to one frozen `Config`. Whatever it does not understand, it refuses, all problems in one error: nothing is guessed,
 * and no secret stands in a message. Read by `bin/` only and passed down from there.
 */
import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { Type } from '@sinclair/typebox';
import { envSchema } from 'env-schema';
import { parseCidr } from "./plugins/lib/cidr.js";
const SECRET_BYTES_MIN = 32;
const FLAGS = ['PUBLIC_API_REQUIRE_HMAC', 'PUBLIC_API_ENABLED', 'PUBLIC_API_ANOMALY_AUTO_SUSPEND'];
const SECRET_NAMES = ['RESULT_TOKEN_SECRET', 'WATERMARK_SECRET', 'RECORD_ID_SECRET'];
const Environment = Type.Object({
    NODE_ENV: Type.String({ default: 'development' }),
    DATABASE_URL: Type.String({ default: '' }),
    REDIS_URL: Type.String({ default: '' }),
    REDIS_PREFIX: Type.String({ default: 'fb', pattern: '^[A-Za-z0-9:_-]{1,32}$' }),
    HOST: Type.String({ default: '127.0.0.1' }),
    PORT: Type.Integer({ default: 3000, minimum: 0, maximum: 65535 }),
    OPS_HOST: Type.String({ default: '127.0.0.1' }),
    OPS_PORT: Type.Integer({ default: 3001, minimum: 0, maximum: 65535 }),
    INSTANCE_COUNT: Type.Integer({ default: 1, minimum: 1, maximum: 1000 }),
    INSTANCE_ID: Type.String({ default: '' }),
    AUTH_FAILURE_LIMIT_RPM: Type.Integer({ default: 120, minimum: 1 }),
    TRUSTED_PROXIES: Type.String({ default: '' }),
    TLS_CERT: Type.String({ default: '' }),
    TLS_KEY: Type.String({ default: '' }),
    RESULT_TOKEN_SECRET: Type.String({ default: '' }),
    WATERMARK_SECRET: Type.String({ default: '' }),
    RECORD_ID_SECRET: Type.String({ default: '' }),
    RUN_WORKER: Type.Boolean({ default: true }),
    LOG_LEVEL: Type.Union(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'].map((level) => Type.Literal(level)), { default: 'info' }),
    DATA_DIR: Type.String({ default: '.flowbeacon' }),
    PUBLIC_API_REQUIRE_HMAC: Type.Boolean({ default: true }),
    PUBLIC_API_ENABLED: Type.Boolean({ default: true }),
    PUBLIC_API_ANOMALY_AUTO_SUSPEND: Type.Boolean({ default: false })
});
/** Every problem of a configuration, one a line; never a value that could be a secret. */
export class ConfigError extends Error {
    problems;
    constructor(problems) {
        super(`The configuration is refused:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
        this.name = 'ConfigError';
        this.problems = problems;
    }
}
/** Reads a configuration. Throws `ConfigError`. Outside production missing secrets are made once and kept in the data folder. */
export function loadConfig(env) {
    const problems = [...unknownFlags(env), ...looseValues(env)];
    if (problems.length > 0)
        throw new ConfigError(problems);
    const values = readEnvironment(env);
    const production = values.NODE_ENV === 'production';
    const trustedProxies = values.TRUSTED_PROXIES.split(',').map((text) => text.trim()).filter((text) => text !== '');
    problems.push(...proxyProblems(trustedProxies), ...secretProblems(values, production), ...storeProblems(values));
    if ((values.TLS_CERT === '') !== (values.TLS_KEY === ''))
        problems.push('TLS_CERT and TLS_KEY belong together: set both or neither');
    if (production)
        problems.push(...productionProblems(env, values, trustedProxies));
    if (problems.length > 0)
        throw new ConfigError(problems);
    return Object.freeze({
        production,
        databaseUrl: values.DATABASE_URL === '' ? `pglite:${join(values.DATA_DIR, 'pg')}` : values.DATABASE_URL,
        redisUrl: values.REDIS_URL === '' ? null : values.REDIS_URL,
        redisPrefix: values.REDIS_PREFIX,
        host: values.HOST,
        port: values.PORT,
        opsHost: values.OPS_HOST,
        opsPort: values.OPS_PORT,
        instanceCount: values.INSTANCE_COUNT,
        instanceId: values.INSTANCE_ID === '' ? `${hostname()}-${process.pid}` : values.INSTANCE_ID,
        authFailureLimitPerMinute: values.AUTH_FAILURE_LIMIT_RPM,
        requireHmac: values.PUBLIC_API_REQUIRE_HMAC,
        enabled: values.PUBLIC_API_ENABLED,
        autoSuspend: values.PUBLIC_API_ANOMALY_AUTO_SUSPEND,
        trustedProxies: Object.freeze(trustedProxies),
        tlsCertPath: values.TLS_CERT === '' ? null : values.TLS_CERT,
        tlsKeyPath: values.TLS_KEY === '' ? null : values.TLS_KEY,
        secrets: secretsOf(values),
        worker: values.RUN_WORKER,
        logLevel: String(values.LOG_LEVEL),
        dataFolder: values.DATA_DIR
    });
}
/** What the boot log may say of a configuration: no secret, no password, no URL with credentials. */
export function describeConfig(config) {
    const { secrets: _secrets, databaseUrl, redisUrl, ...rest } = config;
    return { ...rest, database: databaseUrl.startsWith('postgres') ? 'postgres' : databaseUrl, windows: redisUrl === null ? 'memory' : 'redis' };
}
function unknownFlags(env) {
    return Object.keys(env).filter((name) => name.startsWith('PUBLIC_API_') && !FLAGS.includes(name))
        .map((name) => `${name} is not a known variable; the published flags are ${FLAGS.join(', ')}`);
}
// The schema's library turns texts into numbers and booleans; what it would have to guess is refused before it can.
function looseValues(env) {
    const problems = [];
    for (const [name, schema] of Object.entries(Environment.properties)) {
        const value = env[name];
        if (value === undefined)
            continue;
        if (schema.type === 'boolean' && value !== 'true' && value !== 'false')
            problems.push(`${name} must be true or false`);
        if (schema.type === 'integer' && !/^\d{1,9}$/.test(value))
            problems.push(`${name} must be a whole number`);
    }
    return problems;
}
function readEnvironment(env) {
    const named = Object.fromEntries(Object.entries(env).filter(([name]) => Object.hasOwn(Environment.properties, name)));
    try {
        return envSchema({ schema: Environment, data: named, env: false, dotenv: false });
    }
    catch (err) {
        throw new ConfigError(err instanceof Error ? err.message.split(', ').map((text) => text.replace(/^env\//, '')) : ['unreadable']);
    }
}
function proxyProblems(ranges) {
    return ranges.flatMap((range) => {
        try {
            parseCidr(range);
            return [];
        }
        catch {
            return ['TRUSTED_PROXIES must be a comma-separated list of addresses or CIDR ranges of your own proxies'];
        }
    });
}
function storeProblems(values) {
    const problems = [];
    if (values.DATABASE_URL !== '' && !/^(postgres(ql)?:\/\/|pglite:)/.test(values.DATABASE_URL))
        problems.push('DATABASE_URL must start with postgres:// (or be left out for the embedded default)');
    if (values.REDIS_URL !== '' && !/^rediss?:\/\//.test(values.REDIS_URL))
        problems.push('REDIS_URL must start with redis:// or rediss://');
    return problems;
}
function secretProblems(values, production) {
    const problems = [];
    const given = SECRET_NAMES.filter((name) => values[name] !== '');
    if (production || given.length > 0) {
        for (const name of SECRET_NAMES) {
            if (values[name] === '')
                problems.push(`${name} is missing; make one with: openssl rand -hex 32`);
            else if (decodeSecret(values[name]).length < SECRET_BYTES_MIN)
                problems.push(`${name} must be at least ${SECRET_BYTES_MIN} bytes in hex or base64`);
            else if (new Set(decodeSecret(values[name])).size < 8)
                problems.push(`${name} is not random; make one with: openssl rand -hex 32`);
        }
    }
    if (new Set(given.map((name) => values[name])).size < given.length)
        problems.push(`${SECRET_NAMES.join(', ')} must differ from each other`);
    return problems;
}
function productionProblems(env, values, trustedProxies) {
    const problems = [];
    if (env['PUBLIC_API_REQUIRE_HMAC'] !== undefined)
        problems.push('PUBLIC_API_REQUIRE_HMAC must not be set in production: signatures are always required there');
    if (!values.DATABASE_URL.startsWith('postgres'))
        problems.push('DATABASE_URL is missing: production needs PostgreSQL');
    if (values.REDIS_URL === '')
        problems.push('REDIS_URL is missing: in-memory windows and tokens are refused in production');
    if (values.TLS_CERT === '' && trustedProxies.length === 0)
        problems.push('no transport security: set TLS_CERT and TLS_KEY, or TRUSTED_PROXIES to the proxy that terminates TLS');
    return problems;
}
function decodeSecret(text) {
    return /^(?:[0-9a-f]{2})+$/i.test(text) ? Buffer.from(text, 'hex') : Buffer.from(text, 'base64');
}
function secretsOf(values) {
    const texts = values.RESULT_TOKEN_SECRET === '' ? keptSecrets(values.DATA_DIR) : values;
    return Object.freeze({
        resultToken: decodeSecret(texts.RESULT_TOKEN_SECRET),
        watermark: decodeSecret(texts.WATERMARK_SECRET),
        recordId: decodeSecret(texts.RECORD_ID_SECRET)
    });
}
/** Two processes may start at once: each writes a file of its own, and the first to link it under the shared name wins. */
function keptSecrets(folder) {
    const file = join(folder, 'secrets.json');
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    if (!existsSync(file)) {
        const own = `${file}.${process.pid}.${randomBytes(4).toString('hex')}`;
        writeFileSync(own, JSON.stringify(Object.fromEntries(SECRET_NAMES.map((name) => [name, randomBytes(SECRET_BYTES_MIN).toString('hex')]))), { mode: 0o600, flag: 'wx' });
        try {
            linkSync(own, file);
        }
        catch (err) {
            if (!existsSync(file))
                throw err;
        }
        finally {
            rmSync(own, { force: true });
        }
    }
    chmodSync(file, 0o600);
    const kept = JSON.parse(readFileSync(file, 'utf8'));
    const broken = SECRET_NAMES.filter((name) => typeof kept[name] !== 'string' || decodeSecret(kept[name]).length < SECRET_BYTES_MIN);
    if (broken.length > 0)
        throw new ConfigError([`${file} is damaged (${broken.join(', ')}); restore it, or remove it together with the data it belongs to`]);
    return kept;
}
//# sourceMappingURL=config.js.map