/**
 * Layer 10, kill switch. Answers: an incident in which nothing may be served any more.
 *
 * Phase: onRequest, right after transport and before anything that touches a store, so that 503 works while a database is down.
 * Reads: one in-process state. Leaves: nothing. Refuses with: `api_disabled`, on every route of the scope, unknown ones included.
 * Store: none here; whoever owns the state keeps its last known value.
 */
import type { FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { ApiError } from '../errors.ts'
import { declareSlots } from './context.ts'

export interface KillSwitchOptions {
  /** Whether the API is enabled now. Called once a request; must answer at once, from memory. No default. */
  isEnabled: () => boolean
}

const killSwitch: FastifyPluginAsync<KillSwitchOptions> = async (app, options) => {
  const { isEnabled } = options
  if (typeof isEnabled !== 'function') throw new TypeError('kill-switch: the option isEnabled must be a function')
  declareSlots(app)

  app.addHook('onRequest', function refuseWhenDisabled (_request, _reply, done) {
    done(isEnabled() ? undefined : new ApiError('api_disabled'))
  })
}

export default fp(killSwitch, { name: 'kill-switch', fastify: '5.x' })
