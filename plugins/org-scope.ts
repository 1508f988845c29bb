/**
 * Layer 5, organization scope. Answers: key sharing across organizations; guessing another organization's records.
 *
 * Phase: preParsing for record ids in the path, preHandler for `org_id` in a body (as soon as it is parsed and valid). Reads:
 * `principal`. Leaves: nothing. Refuses with: `organization_mismatch`, `malformed_request` for a `.` in a record id, which would
 * make the signed string ambiguous. Store: none: a record id carries a MAC of its organization, so a foreign one is refused by
 * arithmetic, and whether it exists stays unknown. Behind this stand row-level security and queries that take the organization.
 */
import type { FastifyPluginAsync, FastifyRequest, RequestPayload } from 'fastify'
import fp from 'fastify-plugin'
import { ApiError } from '../errors.ts'
import { accessOf, getPrincipal, type Principal } from './context.ts'
import { assertOptions, bytes, required, type OptionRule } from './lib/options.ts'
import { belongsTo, isRecordId } from './lib/record-id.ts'
import { sendRefusals } from './support/error-handler.ts'
import { timedWithPayload } from './support/layer-clock.ts'

const SECRET_BYTES_MIN = 32
const RECORD_PARAMS: OptionRule = {
  be: 'an object of path parameters, each with the prefix of its ids: { id: \'scn\' }',
  holds: (value) => typeof value === 'object' && value !== null && Object.values(value).every((prefix) => typeof prefix === 'string' && prefix !== '')
}

/** Mints the id of a record, which names its organization to whoever has the secret and to nobody else. */
export { mintRecordId } from './lib/record-id.ts'

export interface OrgScopeOptions {
  /** Key of the MAC in record ids, at least 32 bytes. No default. */
  recordIdSecret: Buffer
  /** Path parameters that hold record ids, with the prefix of each. Default `{ evaluation_id: 'req', id: 'scn' }`. */
  recordParams?: Readonly<Record<string, string>>
}

const orgScope: FastifyPluginAsync<OrgScopeOptions> = async (app, options) => {
  assertOptions('org-scope', options, { recordIdSecret: required(bytes(SECRET_BYTES_MIN)), recordParams: RECORD_PARAMS })
  const { recordIdSecret } = options
  const recordParams = Object.entries(options.recordParams ?? { evaluation_id: 'req', id: 'scn' })
  sendRefusals(app)
  app.principalJudges.push(judgeRecordIds)

  app.addHook('preParsing', timedWithPayload<RequestPayload>(app, 'org-scope', function refuseForeignRecord (request, _reply, payload, done) {
    if (accessOf(request) === 'key') {
      try {
        judgeRecordIds(request, getPrincipal(request))
      } catch (err) {
        return done(err instanceof Error ? err : new Error(String(err)))
      }
    }
    done(null, payload)
  }))

  app.addHook('preHandler', function refuseForeignOrganization (request, _reply, done) {
    const named = accessOf(request) === 'key' ? organizationIn(request.body) : undefined
    done(named !== undefined && named !== getPrincipal(request).orgId ? new ApiError('organization_mismatch', { reason: 'body_organization' }) : undefined)
  })

  function judgeRecordIds (request: FastifyRequest, principal: Principal): void {
    const params = request.params
    if (typeof params !== 'object' || params === null) return
    for (const [name, prefix] of recordParams) {
      const id: unknown = Reflect.get(params, name)
      if (typeof id !== 'string') continue
      if (id.includes('.')) throw new ApiError('malformed_request', { detail: 'A record id must not contain a dot.', reason: 'record_id' })
      if (isRecordId(id, prefix) && !belongsTo(id, prefix, principal.orgId, recordIdSecret)) throw new ApiError('organization_mismatch')
    }
  }
}

function organizationIn (body: unknown): unknown {
  return typeof body === 'object' && body !== null && Object.hasOwn(body, 'org_id') ? Reflect.get(body, 'org_id') : undefined
}

export default fp(orgScope, { name: 'org-scope', fastify: '5.x', decorators: { request: ['principal'] } })
