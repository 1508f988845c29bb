import fastify from 'fastify'
import t from 'tap'
import { ApiError } from '../../../errors.ts'
import { declareSlots } from '../../../plugins/context.ts'
import errorHandler, { sendRefusals } from '../../../plugins/support/error-handler.ts'

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

t.test('a service that set no error handler gets this one, once; one that set its own keeps it', async (t) => {
  const fail = async (): Promise<never> => { throw new ApiError('not_found') }
  const warnings: string[] = []
  const note = ({ message }: Error): void => { warnings.push(message) }
  process.on('warning', note)
  t.teardown(() => process.off('warning', note))
  const bare = fastify()
  sendRefusals(bare)
  await bare.register(errorHandler)
  bare.get('/thing', fail)
  t.same((await bare.inject('/thing')).json(), { ok: false, error: 'Not found', code: 'not_found' })

  const own = fastify()
  own.setErrorHandler(async (err, _request, reply) => await reply.code(418).send({ mine: err instanceof ApiError && err.code }))
  await own.register(async (inner) => {
    sendRefusals(inner)
    inner.get('/thing', fail)
  })
  t.same((await own.inject('/thing')).json(), { mine: 'not_found' })
  await new Promise(setImmediate)
  t.same(warnings, [], 'the framework warns of a handler that is set twice')
})
