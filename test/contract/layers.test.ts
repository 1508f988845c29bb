import { existsSync, readdirSync, readFileSync } from 'node:fs'
import fastify from 'fastify'
import t from 'tap'
import { declareSlots } from '../../plugins/context.ts'
import { LAYER_NAMES, registerSubset } from '../../plugins/index.ts'

t.test('the folder holds exactly the ten layers of the security page, each with a test of its own', async (t) => {
  const files = readdirSync('plugins').filter((name) => name.endsWith('.ts') && !['index.ts', 'context.ts', 'guard.ts'].includes(name)).map((name) => name.slice(0, -3))
  t.same(files.sort(), [...LAYER_NAMES].sort())
  for (const name of files) t.ok(existsSync(`test/plugins/${name}.test.ts`), name)
})

t.test('layers are registered in the order of the security page', async (t) => {
  const source = readFileSync('plugins/index.ts', 'utf8')
  const registered = [...source.matchAll(/\(app, \{ (\w+): own \}\) => own && (?:app|gathered\(app\))\.register\((\w+), own\)/g)]
  t.same(registered.map(([, options]) => options), registered.map(([, , plugin]) => plugin))
  t.same(registered.map(([, , plugin = '']) => plugin.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)), LAYER_NAMES)
})

t.test('the client\'s address is noted in the turn that brought the request: a connection that is reset meanwhile has none any more', async (t) => {
  const app = fastify()
  t.teardown(() => app.close())
  declareSlots(app)
  let isSameTurn = false
  const seen: unknown[] = []
  app.server.prependListener('request', () => {
    isSameTurn = true
    setImmediate(() => { isSameTurn = false })
  })
  await registerSubset(app, { watermark: { secret: Buffer.alloc(32, 1), audit: { record: async () => {} } } })
  app.addHook('onRequest', async (request) => { seen.push(isSameTurn, request.clientAddress) })
  app.get('/', async () => 'ok')
  await fetch(await app.listen({ host: '127.0.0.1', port: 0 }))
  t.same(seen, [true, '127.0.0.1'])
})

t.test('the lock file names no registry and every package has its integrity', async (t) => {
  const lock = JSON.parse(readFileSync('package-lock.json', 'utf8')) as { packages: Record<string, { integrity?: string, resolved?: string, dev?: boolean, hasInstallScript?: boolean, link?: boolean }> }
  for (const [name, entry] of Object.entries(lock.packages)) {
    if (name === '') continue
    t.equal(entry.resolved, undefined, name)
    t.ok(entry.integrity, name)
    if (entry.dev !== true) t.notOk(entry.hasInstallScript, name)
  }
})
