import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { randomBytes } from 'node:crypto'
import t from 'tap'
import { ConfigError, describeConfig, loadConfig } from '../config.ts'

const folder = mkdtempSync(join(tmpdir(), 'flowbeacon-config-'))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))

function secret (): string {
  return randomBytes(32).toString('hex')
}

function production (changes: Record<string, string | undefined> = {}): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = {
    NODE_ENV: 'production',
    DATABASE_URL: 'postgres://fb:hidden-password@db/fb',
    REDIS_URL: 'redis://redis:6379',
    TRUSTED_PROXIES: '10.0.0.0/24',
    RESULT_TOKEN_SECRET: secret(),
    WATERMARK_SECRET: secret(),
    RECORD_ID_SECRET: secret(),
    MASTER_KEYS: `2:${secret()},1:${secret()}`,
    ...changes
  }
  for (const [name, value] of Object.entries(env)) if (value === undefined) delete env[name]
  return env
}

t.test('boots without any variable, and keeps its secrets for the next start', async (t) => {
  const first = loadConfig({ DATA_DIR: folder })
  const second = loadConfig({ DATA_DIR: folder })
  t.match(first, { production: false, redisUrl: null, port: 3000, opsPort: 3001, opsHost: '127.0.0.1', authFailureLimitPerMinute: 120, requireHmac: true, enabled: true, autoSuspend: false })
  t.same(first.secrets, second.secrets)
  t.equal(statSync(join(folder, 'secrets.json')).mode & 0o777, 0o600)
  t.ok(Object.isFrozen(first))
})

t.test('boots in production with everything that it needs', async (t) => {
  const config = loadConfig(production())
  t.ok(config.production)
  t.notMatch(JSON.stringify(describeConfig(config)), /hidden-password/)
  t.equal('secrets' in describeConfig(config), false)
})

const refusals: Array<[string, NodeJS.ProcessEnv, RegExp]> = [
  ['an unknown PUBLIC_API variable', { DATA_DIR: folder, PUBLIC_API_REQUIRE_HMACS: 'true' }, /PUBLIC_API_REQUIRE_HMACS is not a known variable/],
  ['a flag that is neither true nor false', { DATA_DIR: folder, PUBLIC_API_ENABLED: 'no' }, /PUBLIC_API_ENABLED must be true or false/],
  ['a port that is no number', { DATA_DIR: folder, PORT: 'abc' }, /PORT must be a whole number/],
  ['a port out of range', { DATA_DIR: folder, PORT: '70000' }, /PORT/],
  ['a deadline that is no number', { DATA_DIR: folder, HEADERS_TIMEOUT_MS: '10s' }, /HEADERS_TIMEOUT_MS must be a whole number/],
  ['a deadline of nothing', { DATA_DIR: folder, BODY_DEADLINE_MS: '0' }, /BODY_DEADLINE_MS/],
  ['headers that may take longer than their request', { DATA_DIR: folder, HEADERS_TIMEOUT_MS: '40000' }, /must not be above REQUEST_TIMEOUT_MS/],
  ['a trusted proxy that is a number of hops', { DATA_DIR: folder, TRUSTED_PROXIES: '1' }, /TRUSTED_PROXIES/],
  ['a trusted proxy that is everybody', { DATA_DIR: folder, TRUSTED_PROXIES: 'true' }, /TRUSTED_PROXIES/],
  ['PUBLIC_API_REQUIRE_HMAC in production, whatever it says', production({ PUBLIC_API_REQUIRE_HMAC: 'true' }), /PUBLIC_API_REQUIRE_HMAC must not be set in production/],
  ['sentinels without the name of their master', { REDIS_URL: 'redis+sentinel://:hidden-password@s1,s2' }, /REDIS_URL must name the sentinels' master/],
  ['in-memory windows in production', production({ REDIS_URL: undefined }), /REDIS_URL is missing/],
  ['the embedded database in production', production({ DATABASE_URL: undefined }), /DATABASE_URL is missing/],
  ['a missing secret in production', production({ WATERMARK_SECRET: undefined }), /WATERMARK_SECRET is missing/],
  ['a short secret in production', production({ WATERMARK_SECRET: '0123456789abcdef' }), /at least 32 bytes/],
  ['a secret that is not random', production({ WATERMARK_SECRET: '00'.repeat(32) }), /not random/],
  ['missing master keys in production', production({ MASTER_KEYS: undefined }), /MASTER_KEYS is missing/],
  ['a master key without its version', production({ MASTER_KEYS: secret() }), /MASTER_KEYS must be a comma-separated list/],
  ['one version for two master keys', production({ MASTER_KEYS: `1:${secret()},1:${secret()}` }), /MASTER_KEYS names version 1 twice/],
  ['a master key that is not random', production({ MASTER_KEYS: `1:${'00'.repeat(32)}` }), /MASTER_KEYS has a key that is not random/],
  ['webhooks to special addresses in production', production({ WEBHOOK_UNSAFE_ALLOWED_RANGES: '127.0.0.0/8' }), /WEBHOOK_UNSAFE_ALLOWED_RANGES must not be set in production/],
  ['a range of special addresses that is none', { DATA_DIR: folder, WEBHOOK_UNSAFE_ALLOWED_RANGES: 'all' }, /WEBHOOK_UNSAFE_ALLOWED_RANGES must be/],
  ['a backoff that is not three numbers', { DATA_DIR: folder, WEBHOOK_BACKOFF_SECONDS: '5,60' }, /WEBHOOK_BACKOFF_SECONDS must be three/],
  ['no transport security in production', production({ TRUSTED_PROXIES: undefined }), /no transport security/]
]

for (const [name, env, message] of refusals) {
  t.test(`refuses ${name}`, async (t) => {
    t.throws(() => loadConfig(env), { name: 'ConfigError', message })
  })
}

t.test('names every problem at once, and no secret', async (t) => {
  const same = secret()
  try {
    loadConfig(production({ REDIS_URL: undefined, DATABASE_URL: undefined, WATERMARK_SECRET: same, RECORD_ID_SECRET: same }))
    t.fail('it booted')
  } catch (err) {
    t.ok(err instanceof ConfigError && err.problems.length >= 3)
    t.notMatch(String(err), new RegExp(same))
  }
})
