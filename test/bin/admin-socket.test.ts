import { mkdtempSync, rmSync, statSync, writeFileSync, existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { DEFAULT_THRESHOLDS } from '../../plugins/lib/anomaly/thresholds.ts'
import { adminSocketPath, connectAdminSocket, offerAdminSocket } from '../../bin/admin-socket.ts'
import { embeddedKillStore } from '../../db/queries/kill-switch.ts'
import { memoryAdmissionStore } from '../../plugins/support/memory.ts'
import { openEmbedded } from '../helper/service.ts'

const { database, close } = await openEmbedded()
t.teardown(close)
const secret = Buffer.alloc(32, 1)
const kill = { history: embeddedKillStore(database), isEnabled: true, listEvents: async () => [] }
const runtime = { database, admission: memoryAdmissionStore(), kill, config: { secrets: { resultToken: secret, watermark: secret, recordId: secret, masterKeys: new Map([[1, secret]]), nextAuth: null }, anomalyThresholds: DEFAULT_THRESHOLDS } }

function newFolder (t: { teardown (fn: () => void): void }): string {
  const folder = mkdtempSync(join(tmpdir(), 'fb-sock-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

t.test('only the owner can open the socket, and it is gone at close', async (t) => {
  const path = adminSocketPath(join(newFolder(t), 'data'))
  const server = await offerAdminSocket(runtime, path)
  t.equal(statSync(path).mode & 0o777, 0o600)
  t.equal(statSync(join(path, '..')).mode & 0o777, 0o700)
  await server.close()
  t.notOk(existsSync(path))
  t.equal(await connectAdminSocket(path, 'test'), null)
})

t.test('a file left by a dead server is taken over', async (t) => {
  const path = adminSocketPath(newFolder(t))
  writeFileSync(path, '')
  const server = await offerAdminSocket(runtime, path)
  await server.close()
})

t.test('concurrent clients are answered in order, refusals keep their kind', async (t) => {
  const path = adminSocketPath(newFolder(t))
  const server = await offerAdminSocket(runtime, path)
  t.teardown(() => server.close())
  await Promise.all(['A', 'B', 'C'].map(async (name) => {
    const client = await connectAdminSocket(path, 'test')
    if (client === null) throw new Error('no server')
    t.match(await client.call('org.create', { name }), { id: /^org_/, name })
    await t.rejects(client.call('org.create', { name: '' }), { name: 'OperationError', kind: 'usage' })
    t.match(await client.call('org.create', { name }), { name })
    client.close()
  }))
})
