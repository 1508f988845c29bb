/**
 * Layer 4, IP allowlist. Answers: compromised egress; a stolen key used from somewhere else.
 *
 * Phase: preParsing, on routes with access `key`. Reads: `principal`, the client address as Fastify's `trustProxy` list lets it be
 * seen. Leaves: nothing. Refuses with: `ip_not_allowed`; `detail` names the address that was seen, so that a partner can mend
 * the list. Store: none; the list stands in the key's record and is compiled once per record. A list that cannot be read denies. What a
 * cached record would refuse is judged again by the record as it is: it never gets as far as layer 7, which compares epochs.
 */
import type { FastifyPluginAsync, FastifyRequest, RequestPayload } from 'fastify'
import fp from 'fastify-plugin'
import { ApiError } from '../errors.ts'
import { accessOf, getPrincipal, passAfter, type Principal } from './context.ts'
import { compileAllowlist, normaliseAddress } from './lib/cidr.ts'
import { assertOptions } from './lib/options.ts'
import { sendRefusals } from './support/error-handler.ts'
import { timedWithPayload } from './support/layer-clock.ts'

export type IpAllowlistOptions = Record<never, never>

const ipAllowlist: FastifyPluginAsync<IpAllowlistOptions> = async (app, options) => {
  assertOptions('ip-allowlist', options, {})
  // Records are frozen values shared by requests, so the list object itself is the cache's key.
  const compiled = new WeakMap<readonly string[], (ip: string) => boolean>()
  sendRefusals(app)
  app.principalJudges.push(judgeAddress)

  app.addHook('preParsing', timedWithPayload<RequestPayload>(app, 'ip-allowlist', function refuseForeignAddress (request, _reply, payload, done) {
    if (accessOf(request) !== 'key') return done(null, payload)
    const principal = getPrincipal(request)
    const refusal = refusalOf(request, principal)
    if (refusal === null) return done(null, payload)
    passAfter(judgeRenewed(request, principal, refusal), payload, done)
  }))

  /** A list that was widened a moment ago holds at once. All judges speak again, because layer 7 sees no stale record any more. */
  async function judgeRenewed (request: FastifyRequest, held: Principal, refusal: ApiError): Promise<void> {
    const principal = await request.renewPrincipal?.() ?? held
    if (principal === held) throw refusal
    for (const judge of app.principalJudges) judge(request, principal)
  }

  function judgeAddress (request: FastifyRequest, principal: Principal): void {
    const refusal = refusalOf(request, principal)
    if (refusal !== null) throw refusal
  }

  function refusalOf (request: FastifyRequest, { ipAllowlist: ranges }: Principal): ApiError | null {
    if (ranges.length === 0) return null
    const ip = normaliseAddress(request.ip)
    return ip !== null && matcherOf(ranges)(ip) ? null : new ApiError('ip_not_allowed', { detail: ip ?? 'unknown' })
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
