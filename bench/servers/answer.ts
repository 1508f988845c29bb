/** The one answer that every target gives, so that only what stands before it differs. */
import { Type, type Static } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import { success } from '../../schemas/envelope.ts'

export const BENCH_PATH = '/bench'

const Item = Type.Object({ code: Type.String(), title: Type.String(), severity: Type.String() })
const Answer = Type.Object({ number: Type.String(), items: Type.Array(Item) })
const Body = Type.Object({ run: Type.String(), number: Type.String(), text: Type.String() }, { additionalProperties: false })

const ITEMS = ['one', 'two', 'three'].map((name) => ({ code: `BEN-${name}`, title: `A row of an answer, number ${name}`, severity: 'medium' }))

/** Routes for GET and POST. `config` belongs to the layers; a target without them ignores it. */
export async function benchRoutes (app: FastifyInstance): Promise<void> {
  const response = { 200: success(Answer) }
  app.get(BENCH_PATH, { config: { access: 'key', scope: 'governance:read' }, schema: { response } }, async () => answer('0'))
  app.post<{ Body: Static<typeof Body> }>(BENCH_PATH, { config: { access: 'key', scope: 'governance:read' }, schema: { body: Body, response } }, async (request) => answer(request.body.number))
}

function answer (number: string): object {
  return { ok: true, data: { number, items: ITEMS }, meta: { watermark: '' } }
}
