/**
 * Layer 4, IP allowlist. Answers: compromised egress; a stolen key used from somewhere else.
 *
 * Phase: preParsing, on routes with access `key`. Reads: `principal`, the client address as Fastify's `trustProxy` list lets it be
 * seen. Leaves: nothing. Refuses with: `ip_not_allowed`; `detail` names the address that was seen, so that a partner can mend
 * the list. Store: none; the list stands in the key's record and is compiled once per record. A list that cannot be read denies.
 */
import type { FastifyPluginAsync, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { ApiError } from '../errors.ts'
import { accessOf, getPrincipal, type Principal } from './context.ts'
import { compileAllowlist, normaliseAddress } from './lib/cidr.ts'
import { assertOptions } from './lib/options.ts'
import { sendRefusals } from './support/error-handler.ts'

export type IpAllowlistOptions = Record<never, never>

const ipAllowlist: FastifyPluginAsync<IpAllowlistOptions> = async (app, options) => {
  assertOptions('ip-allowlist', options, {})
  // Records are frozen values shared by requests, so the list object itself is the cache's key.
  const compiled = new WeakMap<readonly string[], (ip: string) => boolean>()
  sendRefusals(app)
  app.principalJudges.push(judgeAddress)

  app.addHook('preParsing', function refuseForeignAddress (request, _reply, payload, done) {
    if (accessOf(request) === 'key') {
      try {
        judgeAddress(request, getPrincipal(request))
      } catch (err) {
        return done(err instanceof Error ? err : new Error(String(err)))
      }
    }
    done(null, payload)
  })

  function judgeAddress (request: FastifyRequest, principal: Principal): void {
    const ranges = principal.ipAllowlist
    if (ranges.length === 0) return
    const ip = normaliseAddress(request.ip)
    if (ip === null || !matcherOf(ranges)(ip)) throw new ApiError('ip_not_allowed', { detail: ip ?? 'unknown' })
  }

  function matcherOf (ranges: readonly string[]): (ip: string) => boolean {
    const known = compiled.get(ranges)
    if (known !== undefined) return known
    let matcher: (ip: string) => boolean
    try {
      matcher = compileAllowlist(ranges)
    } catch (err) {
      app.log.error({ reason: err instanceof Error ? err.message : 'unreadable' }, 'an IP allowlist cannot be read; its key is refused from everywhere')
      matcher = () => false
    }
    compiled.set(ranges, matcher)
    return matcher
  }
}

export default fp(ipAllowlist, { name: 'ip-allowlist', fastify: '5.x', decorators: { request: ['principal'] } })
