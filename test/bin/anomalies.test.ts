import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { adminSocketPath, offerAdminSocket } from '../../bin/admin-socket.ts'
import { onEachStore } from '../helper/fronts.ts'
import { call, newCaller, start } from '../helper/service.ts'

const FB = fileURLToPath(new URL('../../bin/fb.js', import.meta.url))

await onEachStore(t, 'an operator who follows sees what is noticed as it is noticed, and ends it with Ctrl-C', async (t, stores) => {
  const { runtime, url } = await start(stores)
  t.teardown(() => runtime.close())
  if (runtime.database.kind === 'pglite') {
    const socket = await offerAdminSocket(runtime, adminSocketPath(runtime.config.dataFolder))
    t.teardown(() => socket.close())
  }
  const follower = spawn(process.execPath, [FB, 'anomalies', '--follow', '--json'], { env: { PATH: process.env['PATH'] ?? '', ...stores.env }, stdio: ['ignore', 'pipe', 'ignore'] })
  t.teardown(() => { follower.kill('SIGKILL') })
  const caller = await newCaller(runtime)
  for (let n = 0; n < 12; n++) t.equal((await call(url, caller, 'GET', '/webhooks')).status, 403)
  const line = await new Promise<string>((resolve) => createInterface(follower.stdout).once('line', resolve))
  t.match(JSON.parse(line), { signal: 'scope_probing', key_id: caller.keyId, org_id: caller.orgId, severity: 'medium', certain: false, action: 'none' })

  const ended = new Promise((resolve) => follower.once('exit', resolve))
  follower.kill('SIGINT')
  t.equal(await ended, 0)
})
