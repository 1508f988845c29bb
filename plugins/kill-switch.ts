/**
 * Layer 10, kill switch. Answers: an incident in which nothing may be served any more, or nothing to one organization or key.
 *
 * Phase: onRequest for what concerns everybody, right after transport and before anything that touches a store, so that 503 works
 * while a database is down. What concerns one organization or one key, or only requests that change state, is judged as soon as
 * the caller is known: by authentication through `callerJudges`, and at preParsing whoever authenticated. A route whose
 * credential names an organization itself asks `refuseKilledOrganization`.
 * Reads: one in-process state, `principal`. Leaves: nothing. Refuses with: `api_disabled`, on every route of the scope, unknown ones
 * and health included; `unavailable` while the state is not known yet.
 * Store: none here; whoever owns the state (support/kill-keeper.ts) keeps its last known value.
 */
import type { FastifyPluginAsync, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { ApiError } from '../errors.ts'
import { STATE_CHANGING, type Principal } from './context.ts'
import type { KillReach, KillState } from './lib/kill-state.ts'
import { assertOptions, FUNCTION, required } from './lib/options.ts'
import { sendRefusals } from './support/error-handler.ts'
import { timed } from './support/layer-clock.ts'

const RETRY_AFTER_SECONDS = '2'

export { ALL_KILLED, NOTHING_KILLED, type KillReach, type KillState } from './lib/kill-state.ts'

export interface KillSwitchOptions {
  /** The state now. Called more than once a request; must answer at once, from memory. No default. */
  state: () => KillState
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Throws `api_disabled` when this organization is refused: for credentials other than a key. */
    refuseKilledOrganization: (request: FastifyRequest, orgId: string) => void
  }
}

const killSwitch: FastifyPluginAsync<KillSwitchOptions> = async (app, options) => {
  assertOptions('kill-switch', options, { state: required(FUNCTION) })
  const { state } = options
  sendRefusals(app)
  app.callerJudges.push(judgeCaller)
  app.decorate('refuseKilledOrganization', (request, orgId) => judge(request, state().orgs.get(orgId), 'organization'))

  app.addHook('onRequest', timed(app, 'kill-switch', function refuseWhenDisabled (_request, _reply, done) {
    const { everything, isKnown } = state()
    if (everything === 'everything') return done(new ApiError('api_disabled', { reason: 'everything' }))
    done(isKnown ? undefined : new ApiError('unavailable', { reason: 'kill_switch_unknown', headers: { 'retry-after': RETRY_AFTER_SECONDS } }))
  }))

  app.addHook('preParsing', function refuseKilledCaller (request, _reply, payload, done) {
    try {
      if (request.principal !== null) judgeCaller(request, request.principal)
      else judge(request, state().everything, 'writes')
    } catch (err) {
      return done(err instanceof Error ? err : new Error(String(err)))
    }
    done(null, payload)
  })

  function judgeCaller (request: FastifyRequest, { orgId, keyId }: Principal): void {
    const { everything, orgs, keys } = state()
    judge(request, everything, 'writes')
    judge(request, orgs.get(orgId), 'organization')
    judge(request, keys.get(keyId), 'key')
  }
}

function judge (request: FastifyRequest, reach: KillReach | null | undefined, reason: string): void {
  if (reach === 'everything' || (reach === 'writes' && STATE_CHANGING.has(request.method))) throw new ApiError('api_disabled', { reason })
}

export default fp(killSwitch, { name: 'kill-switch', fastify: '5.x' })
