/** `GET /audit`: the organization's own audit trail, as `GET /requests` gives it to a key. */
import type { FastifyInstance } from 'fastify'
import { getSession } from '../../plugins/support/session.ts'
import { success } from '../../schemas/envelope.ts'
import { RequestList, RequestListQuery } from '../../schemas/request.ts'
import { requestPage, type RequestPageQuery } from '../v1/requests.ts'
import type { ConsoleDeps } from './index.ts'

export default async function audit (app: FastifyInstance, deps: ConsoleDeps): Promise<void> {
  app.get<{ Querystring: RequestPageQuery }>('/audit', { schema: { querystring: RequestListQuery, response: { 200: success(RequestList) } } }, async (request) => {
    return { ok: true, data: await requestPage(getSession(request).orgId, request.query, deps) }
  })
}
