/** `GET /governance/policies` and one of them. The catalogue changes with a release only, so answers may be kept for a day. */
import type { FastifyInstance } from 'fastify'
import { POLICIES } from '../../evaluation/rules/index.ts'
import { ApiError } from '../../errors.ts'
import { success } from '../../schemas/envelope.ts'
import { PolicyDetail, PolicyList } from '../../schemas/policy.ts'
import { isUnchanged, notModified } from './deps.ts'

const CACHE_CONTROL = 'private, max-age=86400'

export default async function policies (app: FastifyInstance): Promise<void> {
  const config = { access: 'key', scope: 'governance:read' } as const

  app.get('/governance/policies', { config, schema: { response: { 200: success(PolicyList) } } }, async (request, reply) => {
    reply.header('cache-control', CACHE_CONTROL)
    const data = { policies: POLICIES.map(({ code, title, description, severity, frameworks }) => ({ code, title, description, severity, frameworks })) }
    return isUnchanged(request, reply, data) ? notModified(reply) : { ok: true, data }
  })

  app.get<{ Params: { code: string } }>('/governance/policies/:code', { config, schema: { response: { 200: success(PolicyDetail) } } }, async (request, reply) => {
    const data = POLICIES.find(({ code }) => code === request.params.code)
    if (data === undefined) throw new ApiError('not_found')
    reply.header('cache-control', CACHE_CONTROL)
    return isUnchanged(request, reply, data) ? notModified(reply) : { ok: true, data }
  })
}
