import fastify from 'fastify'
import t from 'tap'
import { declareSlots } from '../../../plugins/context.ts'
import errorHandler from '../../../plugins/support/error-handler.ts'

t.test('what was thrown is logged by its kind and place, and its message stands neither in the log nor in the answer', async (t) => {
  const lines: string[] = []
  const app = fastify({ logger: { level: 'trace', stream: { write: (line: string) => { lines.push(line) } } } })
  declareSlots(app)
  await app.register(errorHandler)
  const thrown = Object.assign(new TypeError('duplicate key zqcanary970 violates'), { code: '23505' })
  app.get('/thing', { config: { access: 'open' } }, async () => { throw thrown })
  const answer = await app.inject('/thing')
  t.equal(answer.statusCode, 500)
  t.match(answer.json(), { ok: false, error: 'Internal server error', code: 'internal_error' })
  const [line] = lines.filter((one) => one.includes('request failed'))
  t.match(JSON.parse(line ?? '{}'), { code: 'internal_error', cause: 'TypeError', causeCode: '23505', frames: [/error-handler\.test/] })
  t.notMatch(lines.join('') + answer.body, /zqcanary970/)
})
