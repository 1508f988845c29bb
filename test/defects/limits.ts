import type { Defect } from './defect.ts'

/** Windows, tokens, replays, kill switch: what holds over instances and restarts. */
export const LIMITS: readonly Defect[] = [
  {
    name: '61st-in-memory',
    file: 'plugins/lib/sliding-window.ts',
    line: 'if (this.#count < limit) return 0',
    instead: 'if (this.#count <= limit) return 0',
    breaks: 'layer 7: never a 61st request inside 60 s, in this process',
    tests: ['test/plugins/lib/sliding-window.test.ts']
  },
  {
    name: 'short-minute-in-memory',
    file: 'plugins/lib/sliding-window.ts',
    line: 'return Math.max(0, windowMs - elapsed(now, this.#nthNewest(limit)))',
    instead: 'return Math.max(0, windowMs - 1 - elapsed(now, this.#nthNewest(limit)))',
    breaks: 'layer 7: a window is not a millisecond short, in this process',
    tests: ['test/plugins/lib/sliding-window.test.ts']
  },
  {
    name: 'clock-stepped-back-in-memory',
    file: 'plugins/lib/sliding-window.ts',
    line: 'if (sinceNewest < STEPPED_BACK) return { now, clockMs: Math.floor(nowMs), behindMs: 0 }',
    instead: 'if (sinceNewest < WRAP) return { now, clockMs: Math.floor(nowMs), behindMs: 0 }',
    breaks: 'layer 7: a clock that steps back does not open the window, in this process',
    tests: ['test/plugins/lib/sliding-window.test.ts']
  },
  {
    name: '61st-in-redis',
    file: 'plugins/lib/sliding-window.lua.ts',
    line: 'if count < limit then return 0 end',
    instead: 'if count <= limit then return 0 end',
    breaks: 'layer 7: never a 61st request inside 60 s, over all instances',
    tests: ['test/plugins/support/redis.test.ts']
  },
  {
    name: 'short-minute-in-redis',
    file: 'plugins/lib/sliding-window.lua.ts',
    line: 'return math.max(0, window - (now - nthNewest(limit)) % 4294967296)',
    instead: 'return math.max(0, window - 1000 - (now - nthNewest(limit)) % 4294967296)',
    breaks: 'layer 7: a window is not a second short, over all instances',
    tests: ['test/plugins/support/redis.test.ts', 'test/plugins/support/stores.test.ts']
  },
  {
    name: 'no-hour-in-redis',
    file: 'plugins/lib/sliding-window.lua.ts',
    line: 'if minuteWait > 0 or hourWait > 0 then',
    instead: 'if minuteWait > 0 then',
    breaks: 'layer 7: the hour window is checked in the same step',
    tests: ['test/plugins/support/redis.test.ts', 'test/plugins/support/stores.test.ts']
  },
  {
    name: 'clock-stepped-back-in-redis',
    file: 'plugins/lib/sliding-window.lua.ts',
    line: 'if newestAge >= 2147483648 then',
    instead: 'if newestAge >= 4294967296 then',
    breaks: 'layer 7: a clock that steps back does not open the window, over all instances',
    tests: ['test/plugins/support/redis.test.ts', 'test/plugins/support/stores.test.ts']
  },
  {
    name: 'stale-records-admitted',
    file: 'plugins/lib/sliding-window.lua.ts',
    line: "if epoch ~= ARGV[1] then return {'stale', epoch} end",
    instead: "if epoch ~= ARGV[1] and epoch == '' then return {'stale', epoch} end",
    breaks: 'no request that begins after a revocation returned succeeds',
    tests: ['test/plugins/support/redis.test.ts', 'test/plugins/support/stores.test.ts']
  },
  {
    name: 'replays-forgotten-in-redis',
    file: 'plugins/lib/sliding-window.lua.ts',
    line: "if replayTtl > 0 then redis.call('SET', KEYS[3], '1', 'EX', replayTtl, 'NX') end",
    instead: "if replayTtl > 0 then redis.call('SET', KEYS[3], '1', 'EX', 60, 'NX') end",
    breaks: 'a signed request is remembered as long as it could be presented',
    tests: ['test/plugins/support/redis.test.ts', 'test/plugins/support/stores.test.ts']
  },
  {
    name: 'replays-forgotten-in-the-database',
    file: 'plugins/rate-limits.ts',
    line: "if (!isFirst) throw new ApiError('signature_replayed', { reason: 'confirmed' })",
    instead: '',
    breaks: 'a store that forgot lets no signed request in twice',
    tests: ['test/plugins/rate-limits.test.ts', 'test/contract/redis-faults.test.ts']
  },
  {
    name: 'whole-limit-for-each-process',
    file: 'plugins/rate-limits.ts',
    line: 'const local = localWindows({ instances })',
    instead: 'const local = localWindows({ instances: 1 })',
    breaks: 'without the shared windows a process serves its share only',
    tests: ['test/plugins/rate-limits.test.ts']
  },
  {
    name: 'degraded-unsaid',
    file: 'plugins/rate-limits.ts',
    line: 'request.degraded = true',
    instead: '',
    breaks: 'the audit row says that the shared windows were away',
    tests: ['test/plugins/rate-limits.test.ts', 'test/contract/stores-away.test.ts']
  },
  {
    name: 'cache-while-away',
    file: 'plugins/rate-limits.ts',
    line: "if (getPrincipal(request).epoch !== '') await rejudge(request, '')",
    instead: "if (getPrincipal(request).epoch === '') await rejudge(request, '')",
    breaks: 'a revocation holds while the shared windows are away',
    tests: ['test/plugins/rate-limits.test.ts', 'test/contract/stores-away.test.ts']
  },
  {
    name: 'retry-too-early',
    file: 'plugins/rate-limits.ts',
    line: 'const retryAfterSeconds = Math.max(1, Math.ceil(verdict.retryAfterMs / 1000))',
    instead: 'const retryAfterSeconds = Math.max(1, Math.floor(verdict.retryAfterMs / 1000))',
    breaks: 'after Retry-After one request is admitted',
    tests: ['test/plugins/rate-limits.test.ts']
  },
  {
    name: 'revocation-untold',
    file: 'evaluation/key-lifecycle.ts',
    line: "return row === null ? { outcome: 'unknown' } : { outcome: 'done', row, told: await tell(deps, [keyId]) }",
    instead: "return row === null ? { outcome: 'unknown' } : { outcome: 'done', row, told: true }",
    breaks: 'revocation is immediate on every instance',
    tests: ['test/contract/service.test.ts', 'test/contract/instances.test.ts', 'test/evaluation/operator.test.ts']
  },
  {
    name: 'taken-twice-in-redis',
    file: 'plugins/lib/single-use-token.lua.ts',
    line: "if state ~= 'issued' then return 'used' end",
    instead: "if state == '' then return 'used' end",
    breaks: 'a result token is taken once',
    tests: ['test/plugins/support/redis.test.ts', 'test/plugins/support/stores.test.ts']
  },
  {
    name: 'taken-twice-in-memory',
    file: 'plugins/support/memory.ts',
    line: "if (record.state === 'used') return 'used'",
    instead: '',
    breaks: 'a result token is taken once, on the embedded stores',
    tests: ['test/plugins/support/memory.test.ts', 'test/plugins/support/stores.test.ts', 'test/threats/result-token-replay.test.ts']
  },
  {
    name: 'redemption-unconfirmed',
    file: 'routes/v1/results.ts',
    line: 'if (!isFirst) {',
    instead: "if (!isFirst && jti === '') {",
    breaks: 'a store that was restored cannot give a second redemption',
    tests: ['test/threats/result-token-replay.test.ts', 'test/contract/redis-faults.test.ts']
  },
  {
    name: 'withheld-and-spent',
    file: 'plugins/watermark.ts',
    line: 'await giveBack(request)',
    instead: '',
    breaks: 'an answer that could not be recorded gives the token back',
    tests: ['test/plugins/watermark.test.ts', 'test/threats/result-token-replay.test.ts', 'test/contract/stores-away.test.ts']
  },
  {
    name: 'token-of-901-seconds',
    file: 'plugins/lib/result-token.ts',
    line: "if (iss !== ISSUER || aud !== AUDIENCE || typeof iat !== 'number' || exp !== iat + TOKEN_TTL_SECONDS || exp <= nowSeconds || iat > nowSeconds + CLOCK_SKEW_SECONDS) return null",
    instead: "if (iss !== ISSUER || aud !== AUDIENCE || typeof iat !== 'number' || exp !== iat + TOKEN_TTL_SECONDS || exp < nowSeconds || iat > nowSeconds + CLOCK_SKEW_SECONDS) return null",
    breaks: 'a result token lives 900 s',
    tests: ['test/plugins/lib/result-token.test.ts', 'test/vectors/vectors.test.ts']
  },
  {
    name: 'token-header-unread',
    file: 'plugins/lib/result-token.ts',
    line: 'if (header !== HEADER || payload === undefined || mac === undefined || more.length > 0 || !SEGMENT.test(payload)) return null',
    instead: 'if (header === undefined || payload === undefined || mac === undefined || more.length > 0 || !SEGMENT.test(payload)) return null',
    breaks: 'a result token has one header, byte for byte',
    tests: ['test/plugins/lib/result-token.test.ts', 'test/vectors/vectors.test.ts']
  },
  {
    name: 'kill-after-authentication',
    file: 'plugins/kill-switch.ts',
    line: "if (everything === 'everything') return done(new ApiError('api_disabled', { reason: 'everything' }))",
    instead: '',
    breaks: 'layer 10: everything is refused before anything else is looked at',
    tests: ['test/plugins/kill-switch.test.ts', 'test/contract/refusals.test.ts', 'test/contract/kill-switch.test.ts']
  },
  {
    name: 'kill-unknown-is-open',
    file: 'plugins/kill-switch.ts',
    line: "done(isKnown ? undefined : new ApiError('unavailable', { reason: 'kill_switch_unknown', headers: { 'retry-after': RETRY_AFTER_SECONDS } }))",
    instead: 'done(isKnown ? undefined : undefined)',
    breaks: 'layer 10: a state that is not known yet does not serve',
    tests: ['test/plugins/kill-switch.test.ts']
  },
  {
    name: 'kill-spares-keys',
    file: 'plugins/kill-switch.ts',
    line: "judge(request, keys.get(keyId), 'key')",
    instead: '',
    breaks: 'layer 10: a key that is switched off is refused',
    tests: ['test/plugins/kill-switch.test.ts', 'test/contract/kill-switch.test.ts']
  },
  {
    name: 'kill-oldest-wins',
    file: 'plugins/lib/kill-state.ts',
    line: 'if (event.version !== before.version) return event.version > before.version',
    instead: 'if (event.version !== before.version) return event.version < before.version',
    breaks: 'layer 10: of two changes the newer one counts',
    tests: ['test/plugins/lib/kill-state.test.ts']
  },
  {
    name: 'answers-of-others',
    file: 'plugins/support/redis-connection.ts',
    line: "if (stream !== undefined || redis.status !== 'ready') {",
    instead: "if (stream !== undefined || redis.status !== 'ready') { if (redis.status === 'ready') return send(command, stream)",
    breaks: 'an answer is taken for the command that asked',
    tests: ['test/plugins/support/redis.test.ts']
  }
]
