/**
 * Environment to one frozen `Config`. Whatever it does not understand, it refuses, all problems in one error: nothing is guessed,
 * and no secret stands in a message. Read by `bin/` only and passed down from there.
 */
import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { createSecureContext } from 'node:tls'
import { Type, type Static } from '@sinclair/typebox'
import { envSchema } from 'env-schema'
import { ConfigError, readSecrets, secretProblems, type Secrets } from './config-secrets.ts'
import { changeThresholds, DEFAULT_THRESHOLDS, type Thresholds } from './plugins/lib/anomaly/thresholds.ts'
import { parseCidr } from './plugins/lib/cidr.ts'
import { redisUrlProblem } from './plugins/lib/redis-url.ts'

export { ConfigError, type Secrets } from './config-secrets.ts'

const FLAGS = ['PUBLIC_API_REQUIRE_HMAC', 'PUBLIC_API_ENABLED', 'PUBLIC_API_ANOMALY_AUTO_SUSPEND']
const ENVIRONMENTS = ['production', 'development', 'test']
const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']
/** A balancer that asks for readiness every second or two has left by then; outside production clients are few and near. */
const SHUTDOWN_DELAY_MS = { production: 5000, otherwise: 250 } as const
const UNSET = -1
const BACKOFF_SECONDS = /^\d{1,5},\d{1,5},\d{1,5}$/

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
  HEADERS_TIMEOUT_MS: Type.Integer({ default: 10_000, minimum: 50, maximum: 600_000 }),
  BODY_DEADLINE_MS: Type.Integer({ default: 20_000, minimum: 50, maximum: 600_000 }),
  REQUEST_TIMEOUT_MS: Type.Integer({ default: 30_000, minimum: 50, maximum: 600_000 }),
  KEEP_ALIVE_TIMEOUT_MS: Type.Integer({ default: 65_000, minimum: 50, maximum: 600_000 }),
  TRUSTED_PROXIES: Type.String({ default: '' }),
  TLS_CERT: Type.String({ default: '' }),
  TLS_KEY: Type.String({ default: '' }),
  RESULT_TOKEN_SECRET: Type.String({ default: '' }),
  WATERMARK_SECRET: Type.String({ default: '' }),
  RECORD_ID_SECRET: Type.String({ default: '' }),
  MASTER_KEYS: Type.String({ default: '' }),
  NEXTAUTH_SECRET: Type.String({ default: '' }),
  CONSOLE_ORIGINS: Type.String({ default: '' }),
  CONSOLE_LIMIT_RPM: Type.Integer({ default: 120, minimum: 1 }),
  WEBHOOK_BACKOFF_SECONDS: Type.String({ default: '5,60,300' }),
  WEBHOOK_UNSAFE_ALLOWED_RANGES: Type.String({ default: '' }),
  RUN_WORKER: Type.Boolean({ default: true }),
  SHUTDOWN_DELAY_MS: Type.Integer({ default: -1, minimum: -1, maximum: 15_000 }),
  LOG_LEVEL: Type.String({ default: 'info' }),
  DATA_DIR: Type.String({ default: '.flowbeacon' }),
  ANOMALY_THRESHOLDS: Type.String({ default: '' }),
  PUBLIC_API_REQUIRE_HMAC: Type.Boolean({ default: true }),
  PUBLIC_API_ENABLED: Type.Boolean({ default: true }),
  PUBLIC_API_ANOMALY_AUTO_SUSPEND: Type.Boolean({ default: false })
})

export interface Config {
  readonly production: boolean
  /** `postgres://…` or `pglite:<folder>`. */
  readonly databaseUrl: string
  /** Null: in-memory windows, for one process outside production. */
  readonly redisUrl: string | null
  readonly redisPrefix: string
  readonly host: string
  readonly port: number
  readonly opsHost: string
  readonly opsPort: number
  readonly instanceCount: number
  readonly instanceId: string
  readonly authFailureLimitPerMinute: number
  /** Milliseconds that the headers, the body and the whole of a request may take, and that a connection may wait for the next one. */
  readonly headersTimeoutMs: number
  readonly bodyDeadlineMs: number
  readonly requestTimeoutMs: number
  readonly keepAliveTimeoutMs: number
  readonly requireHmac: boolean
  readonly enabled: boolean
  readonly autoSuspend: boolean
  readonly anomalyThresholds: Thresholds
  readonly trustedProxies: readonly string[]
  readonly tlsCertPath: string | null
  readonly tlsKeyPath: string | null
  readonly secrets: Secrets
  /** Origins of the console's pages; empty: the one that a request was sent to. */
  readonly consoleOrigins: readonly string[]
  /** Console requests a minute of one person; one address has five times as many. */
  readonly consoleLimitPerMinute: number
  /** Milliseconds before the second, third and fourth attempt of a webhook delivery, before jitter. */
  readonly webhookBackoffMs: readonly number[]
  /** Special addresses that webhooks may reach all the same: local stacks and tests; refused in production. */
  readonly webhookUnsafeAllowedRanges: readonly string[]
  readonly worker: boolean
  /** Milliseconds between readiness going off and the end of listening. Default 5000 in production, else 250. */
  readonly shutdownDelayMs: number
  readonly logLevel: string
  readonly dataFolder: string
}

/** Reads a configuration. Throws `ConfigError`. Outside production missing secrets are made once and kept in the data folder. */
export function loadConfig (env: NodeJS.ProcessEnv): Config {
  const problems = [...unknownFlags(env), ...looseValues(env)]
  if (problems.length > 0) throw new ConfigError(problems)
  const values = readEnvironment(env)
  const production = values.NODE_ENV === 'production'
  const trustedProxies = listOf(values.TRUSTED_PROXIES)
  const unsafeRanges = listOf(values.WEBHOOK_UNSAFE_ALLOWED_RANGES)
  problems.push(...rangeProblems(trustedProxies, 'TRUSTED_PROXIES must be a comma-separated list of addresses or CIDR ranges of your own proxies'))
  problems.push(...rangeProblems(unsafeRanges, 'WEBHOOK_UNSAFE_ALLOWED_RANGES must be a comma-separated list of addresses or CIDR ranges'))
  if (!BACKOFF_SECONDS.test(values.WEBHOOK_BACKOFF_SECONDS)) problems.push('WEBHOOK_BACKOFF_SECONDS must be three whole numbers of seconds, such as 5,60,300')
  const consoleOrigins = listOf(values.CONSOLE_ORIGINS)
  problems.push(...originProblems(consoleOrigins, values))
  problems.push(...secretProblems(values, production), ...storeProblems(values))
  if (values.HEADERS_TIMEOUT_MS > values.REQUEST_TIMEOUT_MS) problems.push('HEADERS_TIMEOUT_MS must not be above REQUEST_TIMEOUT_MS')
  // A name that is nearly production must not boot without what production asks for.
  if (!ENVIRONMENTS.includes(values.NODE_ENV)) problems.push(`NODE_ENV must be one of ${ENVIRONMENTS.join(', ')}`)
  if (!LOG_LEVELS.includes(values.LOG_LEVEL)) problems.push(`LOG_LEVEL must be one of ${LOG_LEVELS.join(', ')}`)
  problems.push(...tlsProblems(values))
  const anomalyThresholds = readThresholds(values.ANOMALY_THRESHOLDS, problems)
  if (production) problems.push(...productionProblems(env, values, trustedProxies))
  if (problems.length > 0) throw new ConfigError(problems)

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
    headersTimeoutMs: values.HEADERS_TIMEOUT_MS,
    bodyDeadlineMs: values.BODY_DEADLINE_MS,
    requestTimeoutMs: values.REQUEST_TIMEOUT_MS,
    keepAliveTimeoutMs: values.KEEP_ALIVE_TIMEOUT_MS,
    requireHmac: values.PUBLIC_API_REQUIRE_HMAC,
    enabled: values.PUBLIC_API_ENABLED,
    autoSuspend: values.PUBLIC_API_ANOMALY_AUTO_SUSPEND,
    anomalyThresholds,
    trustedProxies: Object.freeze(trustedProxies),
    tlsCertPath: values.TLS_CERT === '' ? null : values.TLS_CERT,
    tlsKeyPath: values.TLS_KEY === '' ? null : values.TLS_KEY,
    secrets: readSecrets(values, values.DATA_DIR),
    consoleOrigins: Object.freeze(consoleOrigins),
    consoleLimitPerMinute: values.CONSOLE_LIMIT_RPM,
    webhookBackoffMs: Object.freeze(listOf(values.WEBHOOK_BACKOFF_SECONDS).map((seconds) => Number(seconds) * 1000)),
    webhookUnsafeAllowedRanges: Object.freeze(unsafeRanges),
    worker: values.RUN_WORKER,
    shutdownDelayMs: values.SHUTDOWN_DELAY_MS === UNSET ? (production ? SHUTDOWN_DELAY_MS.production : SHUTDOWN_DELAY_MS.otherwise) : values.SHUTDOWN_DELAY_MS,
    logLevel: values.LOG_LEVEL,
    dataFolder: values.DATA_DIR
  })
}

/** What the boot log may say of a configuration: no secret, no password, no URL with credentials. */
export function describeConfig (config: Config): Record<string, unknown> {
  const { secrets: _secrets, anomalyThresholds: _thresholds, databaseUrl, redisUrl, ...rest } = config
  return { ...rest, database: databaseUrl.startsWith('postgres') ? 'postgres' : databaseUrl, windows: redisUrl === null ? 'memory' : 'redis' }
}

type Values = Static<typeof Environment>

function unknownFlags (env: NodeJS.ProcessEnv): string[] {
  return Object.keys(env).filter((name) => name.startsWith('PUBLIC_API_') && !FLAGS.includes(name))
    .map((name) => `${name} is not a known variable; the published flags are ${FLAGS.join(', ')}`)
}

// The schema's library turns texts into numbers and booleans; what it would have to guess is refused before it can.
function looseValues (env: NodeJS.ProcessEnv): string[] {
  const problems: string[] = []
  for (const [name, schema] of Object.entries(Environment.properties)) {
    const value = env[name]
    if (value === undefined) continue
    if (schema.type === 'boolean' && value !== 'true' && value !== 'false') problems.push(`${name} must be true or false`)
    if (schema.type === 'integer' && !/^\d{1,9}$/.test(value)) problems.push(`${name} must be a whole number`)
  }
  return problems
}

function readEnvironment (env: NodeJS.ProcessEnv): Values {
  const named = Object.fromEntries(Object.entries(env).filter(([name]) => Object.hasOwn(Environment.properties, name)))
  try {
    return envSchema<Values>({ schema: Environment, data: named, env: false, dotenv: false })
  } catch (err) {
    throw new ConfigError(err instanceof Error ? err.message.split(', ').map((text) => text.replace(/^env\//, '')) : ['unreadable'])
  }
}

function readThresholds (text: string, problems: string[]): Thresholds {
  if (text === '') return DEFAULT_THRESHOLDS
  try {
    return changeThresholds(JSON.parse(text))
  } catch (err) {
    problems.push(`ANOMALY_THRESHOLDS ${err instanceof RangeError ? err.message : 'must be a JSON object, such as {"rate_storm":{"count":500}}'}`)
    return DEFAULT_THRESHOLDS
  }
}

function listOf (text: string): string[] {
  return text.split(',').map((one) => one.trim()).filter((one) => one !== '')
}

function rangeProblems (ranges: readonly string[], problem: string): string[] {
  return ranges.flatMap((range) => {
    try {
      parseCidr(range)
      return []
    } catch {
      return [problem]
    }
  })
}

function originProblems (origins: readonly string[], { NODE_ENV: environment, NEXTAUTH_SECRET: secret }: Values): string[] {
  if (origins.length > 0 && secret === '') return ['CONSOLE_ORIGINS without NEXTAUTH_SECRET: the console would not be served']
  const isOrigin = (text: string): boolean => URL.canParse(text) && new URL(text).origin === text && (text.startsWith('https://') || (environment !== 'production' && text.startsWith('http://')))
  return origins.every(isOrigin) ? [] : ['CONSOLE_ORIGINS must be a comma-separated list of origins in lower case and without a path, such as https://console.example.com; https in production']
}

function tlsProblems ({ TLS_CERT: cert, TLS_KEY: key }: Values): string[] {
  if (cert === '' && key === '') return []
  if (cert === '' || key === '') return ['TLS_CERT and TLS_KEY belong together: set both or neither']
  const problems: string[] = []
  const contents = { TLS_CERT: cert, TLS_KEY: key }
  for (const name of ['TLS_CERT', 'TLS_KEY'] as const) {
    try {
      contents[name] = readFileSync(contents[name], 'utf8')
    } catch (err) {
      problems.push(`${name} cannot be read (${err instanceof Error && 'code' in err ? String(err.code) : 'error'})`)
    }
  }
  if (problems.length > 0) return problems
  try {
    createSecureContext({ cert: contents.TLS_CERT, key: contents.TLS_KEY })
    return []
  } catch {
    return ['TLS_CERT and TLS_KEY must be PEM files of a certificate and its key']
  }
}

function storeProblems (values: Values): string[] {
  const problems: string[] = []
  if (values.DATABASE_URL !== '' && !/^(postgres(ql)?:\/\/|pglite:)/.test(values.DATABASE_URL)) problems.push('DATABASE_URL must start with postgres:// (or be left out for the embedded default)')
  const redisProblem = values.REDIS_URL === '' ? null : redisUrlProblem(values.REDIS_URL)
  if (redisProblem !== null) problems.push(`REDIS_URL ${redisProblem}`)
  return problems
}

function productionProblems (env: NodeJS.ProcessEnv, values: Values, trustedProxies: readonly string[]): string[] {
  const problems: string[] = []
  if (env['PUBLIC_API_REQUIRE_HMAC'] !== undefined) problems.push('PUBLIC_API_REQUIRE_HMAC must not be set in production: signatures are always required there')
  if (!values.DATABASE_URL.startsWith('postgres')) problems.push('DATABASE_URL is missing: production needs PostgreSQL')
  if (values.REDIS_URL === '') problems.push('REDIS_URL is missing: in-memory windows and tokens are refused in production')
  if (values.WEBHOOK_UNSAFE_ALLOWED_RANGES !== '') problems.push('WEBHOOK_UNSAFE_ALLOWED_RANGES must not be set in production: webhooks never reach special addresses there')
  if (values.TLS_CERT === '' && trustedProxies.length === 0) problems.push('no transport security: set TLS_CERT and TLS_KEY, or TRUSTED_PROXIES to the proxy that terminates TLS')
  return problems
}
