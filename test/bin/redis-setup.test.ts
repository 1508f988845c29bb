import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { connectRedis, closeRedis, whenReady } from '../../plugins/support/redis.ts'
import { freePort, NO_REDIS_SERVER, startPrivateRedis } from '../helper/private-redis.ts'
import { spawnServer } from '../helper/process.ts'
import { until } from '../helper/redis-deployments.ts'
import { embedded, newCaller, call, real, start, type Caller, type Stores } from '../helper/service.ts'

const redis = await startPrivateRedis()
t.teardown(() => redis?.close())
const skip = redis === null ? NO_REDIS_SERVER : false
const servers = await real()
t.teardown(() => servers?.drop())

const secret = (): string => randomBytes(32).toString('hex')
const PRODUCTION = { NODE_ENV: 'production', TRUSTED_PROXIES: '10.0.0.0/8', RESULT_TOKEN_SECRET: secret(), WATERMARK_SECRET: secret(), RECORD_ID_SECRET: secret(), MASTER_KEYS: `1:${secret()}` }

t.test('production does not start on a Redis that may evict records, and says what to set', { skip: servers === null ? 'no PostgreSQL and Redis answered (TEST_DATABASE_URL, TEST_REDIS_URL)' : skip, timeout: 60_000 }, async (t) => {
  if (redis === null || servers === null) return
  const env = { ...servers.env, ...PRODUCTION, REDIS_URL: redis.url, LOG_LEVEL: 'info' }
  await redis.command('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru')
  await t.rejects(spawnServer(env), { message: /ended with 78 [\s\S]*REDIS_URL names a server whose maxmemory-policy is allkeys-lru[\s\S]*set noeviction/ })
  await redis.command('CONFIG', 'SET', 'maxmemory-policy', 'noeviction')
  const server = await spawnServer(env)
  await until(async () => /Redis keeps nothing over a restart/.test(server.output()))
  t.match(server.output(), /"memoryPolicy":"noeviction","persistence":"none","msg":"Redis is set up"/)
  t.equal(await server.stop(), 0)
})

t.test('outside production it starts and says so', { skip, timeout: 60_000 }, async (t) => {
  if (redis === null) return
  const stores = embedded()
  t.teardown(() => stores.drop())
  await redis.command('CONFIG', 'SET', 'maxmemory-policy', 'volatile-ttl')
  const server = await spawnServer({ ...stores.env, REDIS_URL: redis.url, LOG_LEVEL: 'info' })
  // After the next connection, where the first one took too long.
  await until(async () => /may evict/.test(server.output()))
  t.match(server.output(), /"level":50[^\n]*"memoryPolicy":"volatile-ttl"[^\n]*may evict/)
  t.equal(await server.stop(), 0)
  await redis.command('CONFIG', 'SET', 'maxmemory-policy', 'noeviction')
})

const canMakeCertificates = spawnSync('openssl', ['version']).status === 0

t.test('rediss:// verifies the server, with a private authority from NODE_EXTRA_CA_CERTS', { skip: canMakeCertificates ? skip : 'no openssl on PATH', timeout: 60_000 }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'flowbeacon-tls-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const [key, cert, tlsPort] = [join(folder, 'key.pem'), join(folder, 'cert.pem'), await freePort()]
  spawnSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', '/CN=redis', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1', '-keyout', key, '-out', cert])
  const secured = await startPrivateRedis({ config: [`tls-port ${tlsPort}`, `tls-cert-file ${cert}`, `tls-key-file ${key}`, `tls-ca-cert-file ${cert}`, 'tls-auth-clients no'] }).catch(() => null)
  if (secured === null) {
    t.comment('this redis-server is built without TLS')
    return
  }
  t.teardown(() => secured.close())
  const url = `rediss://127.0.0.1:${tlsPort}`
  const stranger = connectRedis(url)
  t.equal(await whenReady(stranger), false, 'a certificate that nobody vouches for is refused')
  await closeRedis(stranger)

  const stores = servers ?? embedded()
  const caller = await callerOf(stores)
  const server = await spawnServer({ ...stores.env, REDIS_URL: url, NODE_EXTRA_CA_CERTS: cert, RUN_WORKER: 'false' })
  t.equal((await call(server.url, caller, 'GET', '/governance/policies')).status, 200)
  t.equal(Number(await secured.command('EXISTS', `${stores.env['REDIS_PREFIX'] ?? 'fb'}:{${caller.keyId}}:w`)), 1, 'its window is there')
  t.equal(await server.stop(), 0)
})

async function callerOf (stores: Stores): Promise<Caller> {
  const { runtime } = await start(stores, { RUN_WORKER: 'false' })
  try {
    return await newCaller(runtime)
  } finally {
    await runtime.close()
  }
}
