import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { whyUnfit } from '../../../bench/load/checks.ts'
import { ask } from '../../../bench/load/client.ts'
import { findTarget, NODE_FLAGS, startTarget } from '../../../bench/load/targets.ts'
import { generateApiKey } from '../../../plugins/lib/api-key.ts'
import { testRedis } from '../../helper/redis.ts'

const nginx = findTarget('nginx-lua')
const whyMissing = nginx.whyMissing?.() ?? null
const stores = whyMissing === null ? await testRedis(t) : null

t.test('targets are started as the service is', async (t) => {
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: { start: string } }
  t.ok(scripts.start.includes(` node ${NODE_FLAGS.join(' ')} dist/bin/server.js`))
  const listed = NODE_FLAGS.map((flag) => `"${flag}", `).join('')
  t.ok(readFileSync('Dockerfile', 'utf8').includes(`CMD ["node", ${listed}"dist/bin/server.js"]`))
  t.ok(readFileSync('docker-compose.yml', 'utf8').includes(`command: ["node", ${listed}"--env-file=/run/flowbeacon/service.env", "dist/bin/server.js"]`))
})

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
