/** `GET /governance/policies` and one of them. The catalogue changes with a release only, so answers may be kept for a day. */
import type { FastifyInstance } from 'fastify'
import { POLICIES } from '../../evaluation/rules/index.ts'
import { ApiError } from '../../errors.ts'
import { success } from '../../schemas/envelope.ts'
import { PolicyDetail, PolicyList } from '../../schemas/policy.ts'
import { entityTag, hasEntity, isUnchanged, notModified } from './deps.ts'

const CACHE_CONTROL = 'private, max-age=86400'
/** The list is the same for everybody until the next release, so it is written once; each answer puts its own watermark behind it. */
const LIST = JSON.stringify({ policies: POLICIES.map(({ code, title, description, severity, frameworks }) => ({ code, title, description, severity, frameworks })) })
const LIST_TAG = entityTag(LIST)

export default async function policies (app: FastifyInstance): Promise<void> {
  const config = { access: 'key', scope: 'governance:read' } as const

  app.get('/governance/policies', { config, schema: { response: { 200: success(PolicyList) } } }, async (request, reply) => {
    reply.header('cache-control', CACHE_CONTROL)
    if (hasEntity(request, reply, LIST_TAG)) return notModified(reply)
    reply.type('application/json; charset=utf-8')
    return `{"ok":true,"data":${LIST},"meta":{"watermark":${JSON.stringify(request.watermark)}}}`
  })

  app.get<{ Params: { code: string } }>('/governance/policies/:code', { config, schema: { response: { 200: success(PolicyDetail) } } }, async (request, reply) => {
    const data = POLICIES.find(({ code }) => code === request.params.code)
    if (data === undefined) throw new ApiError('not_found')
    reply.header('cache-control', CACHE_CONTROL)
    return isUnchanged(request, reply, data) ? notModified(reply) : { ok: true, data }
  })
}
