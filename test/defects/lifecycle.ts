import type { Defect } from './defect.ts'

const hardened = ['test/contract/hardened-signature.test.ts']
const console = ['test/contract/console.test.ts']
const rotation = ['test/contract/key-rotation.test.ts']
const clientFaults = ['test/contract/client-faults.test.ts']
const client = ['test/clients/typescript/src/client.test.ts']

/** The console and its session, what happens to a key in its life, the hardened profile, the client and the doctor. */
export const LIFECYCLE: readonly Defect[] = [
  {
    name: 'hardened-query',
    file: 'plugins/lib/hardened-signature.ts',
    line: ".update(`v2.${parts.timestamp}.${parts.nonce}.${parts.method.toUpperCase()}.${parts.target}.${bodyHash}`, 'latin1')",
    instead: ".update(`v2.${parts.timestamp}.${parts.nonce}.${parts.method.toUpperCase()}.${parts.target.split('?')[0] ?? ''}.${bodyHash}`, 'latin1')",
    breaks: 'hardened profile: the query is covered',
    tests: ['test/plugins/lib/hardened-signature.test.ts', 'test/vectors/vectors.test.ts']
  },
  {
    name: 'nonce-on-writes-only',
    file: 'plugins/signature.ts',
    line: 'request.replayId = replayIdOfNonce(nonce)',
    instead: 'if (STATE_CHANGING.has(request.method)) request.replayId = replayIdOfNonce(nonce)',
    breaks: 'hardened profile: a nonce is accepted once, on every method',
    tests: hardened
  },
  {
    name: 'old-secret-in-a-cached-record',
    file: 'plugins/signature.ts',
    line: 'app.principalJudges.push(refuseRotatedSecret)',
    instead: '',
    breaks: 'hardened profile: a rotation without grace ends the secret before at once',
    tests: hardened
  },
  {
    name: 'members-administer',
    file: 'plugins/support/session.ts',
    line: "if (opened.role === null || !ROLES.has(opened.role)) throw new ApiError('role_required')",
    instead: "if (opened.role === null) throw new ApiError('role_required')",
    breaks: 'console: admin or owner only',
    tests: console
  },
  {
    name: 'sessions-a-minute-longer',
    file: 'plugins/lib/session-token.ts',
    line: "keyManagementAlgorithms: ['dir'], contentEncryptionAlgorithms: ['A256GCM'], currentDate: new Date(nowMs), clockTolerance: 0, requiredClaims: ['exp', 'sub']",
    instead: "keyManagementAlgorithms: ['dir'], contentEncryptionAlgorithms: ['A256GCM'], currentDate: new Date(nowMs), clockTolerance: 60, requiredClaims: ['exp', 'sub']",
    breaks: 'console: a session ends to the second',
    tests: ['test/plugins/lib/session-token.test.ts']
  },
  {
    name: 'cross-site-changes',
    file: 'plugins/support/session.ts',
    line: 'if (STATE_CHANGING.has(request.method)) {',
    instead: "if (request.method === 'POST') {",
    breaks: 'console: whatever changes something comes from its own origin',
    tests: console
  },
  {
    name: 'foreign-pages-with-the-right-site',
    file: 'plugins/support/session.ts',
    line: "if (!isOwnSite || !isOwnOrigin) throw new ApiError('cross_origin_refused')",
    instead: "if (!isOwnSite && !isOwnOrigin) throw new ApiError('cross_origin_refused')",
    breaks: 'console: both headers must agree',
    tests: console
  },
  {
    name: 'one-person-without-limit',
    file: 'plugins/support/session.ts',
    line: "await limit(perSubject, request, 'session')",
    instead: '',
    breaks: 'console: one person has a limit',
    tests: console
  },
  {
    name: 'events-of-no-key',
    file: 'routes/console/keys.ts',
    line: 'const rows = await fromStore(() => database.asOrganization(orgId, async (tx) => await hasKey(tx, orgId, keyId) ? await listKeyEvents(tx, orgId, { keyId, limit: limit + 1, afterId }) : null))',
    instead: 'const rows = await fromStore(() => database.asOrganization<KeyEventRow[] | null>(orgId, async (tx) => await listKeyEvents(tx, orgId, { keyId, limit: limit + 1, afterId })))',
    breaks: 'console: an id that names no key of the organization is 404',
    tests: console
  },
  {
    name: 'grace-rounded-down',
    file: 'evaluation/key-lifecycle.ts',
    line: 'const graceUntil = new Date(Math.min(Math.ceil(deps.nowMs / SECOND_MS) * SECOND_MS + options.graceHours * HOUR_MS, expiresAt?.getTime() ?? Number.POSITIVE_INFINITY))',
    instead: 'const graceUntil = new Date(Math.min(Math.floor(deps.nowMs / SECOND_MS) * SECOND_MS + options.graceHours * HOUR_MS, expiresAt?.getTime() ?? Number.POSITIVE_INFINITY))',
    breaks: 'rotation: the grace is never shorter than it was asked for',
    tests: rotation
  },
  {
    name: 'grace-beyond-the-expiry',
    file: 'evaluation/key-lifecycle.ts',
    line: 'const graceUntil = new Date(Math.min(Math.ceil(deps.nowMs / SECOND_MS) * SECOND_MS + options.graceHours * HOUR_MS, expiresAt?.getTime() ?? Number.POSITIVE_INFINITY))',
    instead: 'const graceUntil = new Date(Math.ceil(deps.nowMs / SECOND_MS) * SECOND_MS + options.graceHours * HOUR_MS)',
    breaks: 'rotation: the old key works no longer than its own expiry',
    tests: rotation
  },
  {
    name: 'expiry-cut-to-the-grace',
    file: 'evaluation/key-lifecycle.ts',
    line: 'const expiresAt = key.replacedBy === null ? key.expiresAt : successor?.expiresAt ?? null',
    instead: 'const expiresAt = key.expiresAt',
    breaks: 'rotation: the expiry is inherited, however often it is forced',
    tests: rotation
  },
  {
    name: 'third-key-unforced',
    file: 'evaluation/key-lifecycle.ts',
    line: "if (graceEnd !== null && !options.force) return { outcome: 'refused', why: `A rotation is under way until ${graceEnd.toISOString()}; force ends it at once.` }",
    instead: "if (graceEnd !== null && !options.force && key.replacedBy !== null) return { outcome: 'refused', why: `A rotation is under way until ${graceEnd.toISOString()}; force ends it at once.` }",
    breaks: 'rotation: at most two keys of one chain work at a time',
    tests: rotation
  },
  {
    name: 'lost-rotation-stays',
    file: 'routes/console/keys.ts',
    line: "request.onUnsent = async () => { await undoRotation(keyDeps(), orgId, before.id, made.row.id, { ...act, reason: 'the answer that held the new key could not be sent' }) }",
    instead: '',
    breaks: 'rotation: one whose answer cannot be recorded is undone',
    tests: rotation
  },
  {
    name: 'change-without-event',
    file: 'evaluation/key-lifecycle.ts',
    line: 'await insertKeyEvent(tx, orgId, { keyId: key.id, action, act, atMs: nowMs, before: snapshotOf(key), after: snapshotOf(row) })',
    instead: 'if (act.reason !== null) await insertKeyEvent(tx, orgId, { keyId: key.id, action, act, atMs: nowMs, before: snapshotOf(key), after: snapshotOf(row) })',
    breaks: 'console: every change of a key is an event',
    tests: rotation
  },
  {
    name: 'strangers-count-as-owners',
    file: 'db/queries/key-events.ts',
    line: "const NOT_THE_OWNERS = ['ip_not_allowed', 'signature_missing', 'signature_invalid']",
    instead: "const NOT_THE_OWNERS = ['signature_missing']",
    breaks: 'console: an address that was refused is none of the key\'s own',
    tests: rotation
  },
  {
    name: 'told-of-what-is-replaced',
    file: 'db/queries/key-events.ts',
    line: "where k.state = 'active' and k.grace_until is null and k.expires_at > ${now}::timestamptz",
    instead: "where k.state = 'active' and k.expires_at > ${now}::timestamptz",
    breaks: 'expiry: nobody is told of a key that is being replaced',
    tests: rotation
  },
  {
    name: 'told-by-every-worker',
    file: 'db/queries/key-events.ts',
    line: 'return rows.length === 1',
    instead: 'return rows.length <= 1',
    breaks: 'expiry: each step is told once, however many workers run',
    tests: rotation
  },
  {
    name: 'widened-list-refuses',
    file: 'plugins/ip-allowlist.ts',
    line: 'passAfter(judgeRenewed(request, principal, refusal), payload, done)',
    instead: 'done(refusal)',
    breaks: 'a change of a key holds on every instance at once, a widened list too',
    tests: ['test/plugins/ip-allowlist.test.ts', ...rotation]
  },
  {
    name: 'record-for-ever',
    file: 'plugins/authentication.ts',
    line: 'const cache = new LRUCache<string, Principal>({ max: CACHE_RECORDS_MAX, ttl: KEY_CACHE_SECONDS * 1000, ttlResolution: 0 })',
    instead: 'const cache = new LRUCache<string, Principal>({ max: CACHE_RECORDS_MAX })',
    breaks: 'what the instances could not be told holds after ten seconds',
    tests: ['test/plugins/authentication.test.ts']
  },
  {
    name: 'explained-a-while-later',
    file: 'plugins/signature.ts',
    line: 'request.renewPrincipal().then(() => done(invalid(check, request)), done)',
    instead: 'done(invalid(check, request))',
    breaks: 'doctor: an explanation that is asked for is given at once',
    tests: ['test/contract/signature-doctor.test.ts']
  },
  {
    name: 'record-for-each-forgery',
    file: 'plugins/signature.ts',
    line: "if (request.verifiedWith === null && request.reloadPrincipal !== null && request.principal?.epoch !== '' && mayReadAgain()) {",
    instead: "if (request.verifiedWith === null && request.reloadPrincipal !== null && request.principal?.epoch !== '') {",
    breaks: 'a key without its secret does not make the key store work',
    tests: ['test/plugins/signature.test.ts']
  },
  {
    name: 'any-two-mistakes',
    file: 'plugins/lib/signature-doctor.ts',
    line: 'const common = MISTAKES.filter(({ isCommon }) => isCommon === true)',
    instead: 'const common = MISTAKES.filter(({ isCommon }) => isCommon !== true)',
    breaks: 'doctor: two common mistakes at once are named',
    tests: ['test/plugins/lib/signature-doctor.test.ts']
  },
  {
    name: 'dump-cut-short',
    file: 'bin/fb/http-dump.ts',
    line: 'return rest.subarray(0, length)',
    instead: 'return rest',
    breaks: 'doctor: the body is what Content-Length says',
    tests: ['test/bin/fb/doctor.test.ts']
  },
  {
    name: 'posts-repeated-blindly',
    file: 'clients/typescript/src/exchange.ts',
    line: "const isRepeatable = call.method === 'GET' || call.idempotencyKey !== undefined",
    instead: "const isRepeatable = call.method === 'GET' || call.method === 'POST'",
    breaks: 'client: what could happen twice is not sent again',
    tests: clientFaults
  },
  {
    name: 'key-follows-redirects',
    file: 'clients/typescript/src/exchange.ts',
    line: "redirect: 'error',",
    instead: "redirect: 'follow',",
    breaks: 'client: no redirect carries the key away',
    tests: clientFaults
  },
  {
    name: 'key-on-the-console',
    file: 'clients/typescript/src/client.ts',
    line: 'this.#shown = { baseUrl: origin, apiKey: `${apiKey.slice(0, KEY_PREFIX_CHARS)}…` }',
    instead: 'this.#shown = { baseUrl: origin, apiKey }',
    breaks: 'client: whoever prints it sees no key',
    tests: client
  },
  {
    name: 'one-of-two-forms-is-enough',
    file: 'clients/typescript/src/webhooks.ts',
    line: "if (standard !== null) verifyStandard({ messageId: messageId ?? '', timestamp: timestamp ?? '', header: standard ?? '' }, body, secrets, isFresh)",
    instead: "if (published === null && standard !== null) verifyStandard({ messageId: messageId ?? '', timestamp: timestamp ?? '', header: standard ?? '' }, body, secrets, isFresh)",
    breaks: 'client: each form of signature that is there must hold',
    tests: ['test/clients/typescript/src/webhooks.test.ts']
  },
  {
    name: 'follows-from-the-beginning',
    file: 'bin/fb/anomalies.ts',
    line: "const { anomalies, notices } = await store.run('anomalies.list', { ...wanted, limit: LIST_MAX, after, notices_after: noticesAfter }) as Listed",
    instead: "const { anomalies, notices } = await store.run('anomalies.list', { ...wanted, since: undefined, limit: LIST_MAX, after, notices_after: noticesAfter }) as Listed",
    breaks: 'following begins where it was asked to',
    tests: ['test/bin/anomalies.test.ts']
  },
  {
    name: 'settled-at-once',
    file: 'bin/fb/seen.ts',
    line: 'if ((seenAt.get(id) ?? nowMs) > nowMs - SETTLING_MS) break',
    instead: 'if (!seenAt.has(id)) break',
    breaks: 'a follower sees what is committed late',
    tests: ['test/bin/fb/seen.test.ts']
  }
]
