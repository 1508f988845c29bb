import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { whyUnfit } from '../../../bench/load/checks.ts'
import { ask } from '../../../bench/load/client.ts'
import { findTarget, startTarget } from '../../../bench/load/targets.ts'
import { generateApiKey } from '../../../plugins/lib/api-key.ts'
import { testRedis } from '../../helper/redis.ts'

const nginx = findTarget('nginx-lua')
const whyMissing = nginx.whyMissing?.() ?? null
const stores = whyMissing === null ? await testRedis(t) : null

t.test('nginx with Lua admits a signed request, and refuses a stranger, a forged signature and what is over a key\'s limit', { skip: whyMissing ?? (stores === null ? 'no Redis answers (TEST_REDIS_URL)' : false) }, async (t) => {
  if (stores === null) return
  const folder = mkdtempSync(join(tmpdir(), 'flowbeacon-nginx-test-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const [full, small] = [generateApiKey().key, generateApiKey().key]
  const [keysFile, smallKeyFile] = [join(folder, 'keys'), join(folder, 'small')]
  writeFileSync(keysFile, full)
  writeFileSync(smallKeyFile, small)
  const target = await startTarget(nginx, { BENCH_KEYS: keysFile, BENCH_SMALL_KEY: smallKeyFile, REDIS_URL: stores.url, REDIS_PREFIX: stores.prefix }, 1)
  t.teardown(() => target.stop())
  t.equal(await ask(target.url, full), 200)
  t.equal(await ask(target.url, generateApiKey().key), 401)
  t.equal(await whyUnfit(target, { full: [full], small }, 'GET'), null)
  t.equal(await ask(target.url, small), 429)
  t.equal(await whyUnfit(target, { full: [full], small }, 'POST'), null)
})
