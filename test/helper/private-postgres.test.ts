import t from 'tap'
import postgres from 'postgres'
import { startPrivatePostgres, whyNoPostgres } from './private-postgres.ts'

const skip = whyNoPostgres() ?? false

t.test('a private server keeps what it acknowledged, however it ends', { skip }, async (t) => {
  const server = await startPrivatePostgres({ settings: { max_connections: 20 } })
  if (server === null) return
  t.teardown(() => server.close())
  t.match(await server.query("select current_setting('fsync') as fsync, current_setting('synchronous_commit') as sync, current_setting('max_connections') as most"), [{ fsync: 'on', sync: 'on', most: '20' }])
  await server.query('create table kept (n int)')
  let kept = 0
  for (const end of [() => server.stop('fast'), () => server.stop('immediate'), () => server.kill9()]) {
    await server.query(`insert into kept values (${++kept})`)
    await end()
    await t.rejects(server.query('select 1'))
    await server.start()
    t.same(await server.query('select count(*)::int as n from kept'), [{ n: kept }])
  }
})

t.test('a server that hangs answers nothing and loses nothing', { skip }, async (t) => {
  const server = await startPrivatePostgres()
  if (server === null) return
  t.teardown(() => server.close())
  const sql = postgres(server.url, { max: 1 })
  t.teardown(() => sql.end({ timeout: 1 }))
  await sql`select 1`
  server.hang()
  const answer = sql`select 2 as two`.execute()
  t.equal(await Promise.race([answer, new Promise((resolve) => setTimeout(resolve, 200, 'silent'))]), 'silent')
  server.resume()
  t.match(await answer, [{ two: 2 }])
})

const diskMb = 64
t.test('a disk of its own can be filled and freed', { skip: whyNoPostgres({ diskMb }) ?? false }, async (t) => {
  const server = await startPrivatePostgres({ diskMb })
  if (server === null) return
  t.teardown(() => server.close())
  await server.query('create table big (text text)')
  server.fillDisk()
  await t.rejects(server.query('insert into big select repeat(md5(n::text), 100) from generate_series(1, 5000) n'))
  server.freeDisk()
  await server.start()
  t.same(await server.query('select count(*)::int as n from big'), [{ n: 0 }])
})
