import type { Defect } from './defect.ts'

/** Worker, webhooks, the way out, importer, anomalies. */
export const WORK: readonly Defect[] = [
  {
    name: 'dead-workers-keep-their-work',
    file: 'db/queries/system.ts',
    line: "where (open.state = 'pending' or (open.state = 'processing' and open.lease_until < now() and open.attempt < ${ATTEMPTS_MAX})) and not ${isWaiting}",
    instead: "where (open.state = 'pending' or (open.state = 'processing' and open.lease_until < now() - interval '1 day' and open.attempt < ${ATTEMPTS_MAX})) and not ${isWaiting}",
    breaks: 'no accepted evaluation is lost when its worker dies',
    tests: ['test/db/queries/system.test.ts']
  },
  {
    name: 'outcome-without-lease',
    file: 'db/queries/system.ts',
    line: 'and held.lease_worker = ${item.workerId} and held.attempt = ${item.attempt})`))',
    instead: 'and ${item.workerId} <> \'\' and ${item.attempt} > 0)`))',
    breaks: 'only the holder of the lease records an outcome',
    tests: ['test/evaluation/worker.test.ts']
  },
  {
    name: 'ephemeral-graphs-stay',
    file: 'db/queries/system.ts',
    line: '.set({ result: jsonOrNull(item.result), standing: jsonOrNull(item.standing), error: item.error, graph: null, finishedAt: sql`now()` })',
    instead: '.set({ result: jsonOrNull(item.result), standing: jsonOrNull(item.standing), error: item.error, finishedAt: sql`now()` })',
    breaks: 'an ephemeral blueprint\'s graph ends with its evaluation',
    tests: ['test/evaluation/worker.test.ts']
  },
  {
    name: 'end-without-outbox',
    file: 'evaluation/worker.ts',
    line: "if (await finishEvaluation(tx, { ...lease, error: null })) await onEnded(tx, { id: claimed.id, orgId: claimed.orgId, state: 'complete' })",
    instead: 'await finishEvaluation(tx, { ...lease, error: null })',
    breaks: 'every completed evaluation is delivered to every active subscription',
    tests: ['test/evaluation/worker.test.ts', 'test/threats/lost-webhook.test.ts']
  },
  {
    name: 'one-attempt-only',
    file: 'evaluation/deliver.ts',
    line: 'if (made >= delivery.attemptsMax) return null',
    instead: 'if (made >= 1) return null',
    breaks: 'a delivery has four attempts',
    tests: ['test/contract/webhooks.test.ts']
  },
  {
    name: 'old-time-of-signing',
    file: 'evaluation/deliver.ts',
    line: '...signWebhook({ secret, messageId: delivery.messageId, timestampSeconds: Math.floor(now() / 1000), body })',
    instead: '...signWebhook({ secret, messageId: delivery.messageId, timestampSeconds: Math.floor(now() / 86_400_000) * 86_400, body })',
    breaks: 'every attempt is signed afresh',
    tests: ['test/evaluation/deliver.test.ts', 'test/threats/webhook-spoofing.test.ts', 'test/contract/webhooks.test.ts']
  },
  {
    name: 'webhook-time-unsigned',
    file: 'plugins/lib/webhook-signature.ts',
    line: 'return createHmac(\'sha256\', secret).update(`${timestamp}.`).update(body).digest()',
    instead: 'return createHmac(\'sha256\', secret).update(body).digest()',
    breaks: 'a webhook\'s signature covers its time',
    tests: ['test/threats/webhook-spoofing.test.ts']
  },
  {
    name: 'stale-webhooks-verify',
    file: 'plugins/lib/webhook-signature.ts',
    line: 'if (parsed === null || Math.abs(nowSeconds - parsed.timestampSeconds) > TOLERANCE_SECONDS) return false',
    instead: 'if (parsed === null) return false',
    breaks: 'an old webhook is told from a fresh one',
    tests: ['test/threats/webhook-spoofing.test.ts']
  },
  {
    name: 'one-good-address-is-enough',
    file: 'evaluation/egress.ts',
    line: "if (!addresses.every(isAllowed)) throw new Refusal('address_not_allowed')",
    instead: "if (!addresses.some(isAllowed)) throw new Refusal('address_not_allowed')",
    breaks: 'one special address among several refuses a name',
    tests: ['test/evaluation/egress.test.ts']
  },
  {
    name: 'resolved-again-at-the-dial',
    file: 'evaluation/egress.ts',
    line: 'lookup,',
    instead: '',
    breaks: 'what is dialled is what was judged',
    tests: ['test/evaluation/egress.test.ts']
  },
  {
    name: 'redirects-acknowledge',
    file: 'evaluation/egress.ts',
    line: 'if (status >= 200 && status < 300) return ended(status, null)',
    instead: 'if (status >= 200 && status < 400) return ended(status, null)',
    breaks: 'a redirect is a failure',
    tests: ['test/evaluation/egress.test.ts']
  },
  {
    name: 'own-addresses',
    file: 'evaluation/egress.ts',
    line: 'return !isSpecialAddress(address) && !ownAddresses().some((own) => normaliseAddress(own) === normal)',
    instead: 'return !isSpecialAddress(address)',
    breaks: 'a webhook does not reach the host it comes from',
    tests: ['test/evaluation/egress.test.ts']
  },
  {
    name: 'metadata-address',
    file: 'plugins/lib/special-address.ts',
    line: "'169.254.0.0/16', // link-local and cloud metadata, RFC 3927",
    instead: "'169.254.0.0/17', // link-local and cloud metadata, RFC 3927",
    breaks: 'a webhook does not reach cloud metadata',
    tests: ['test/plugins/lib/special-address.test.ts']
  },
  {
    name: 'teredo-and-friends',
    file: 'plugins/lib/special-address.ts',
    line: 'return !globalIpv6.check(ip, \'ipv6\') || specialIpv6.check(ip, \'ipv6\')',
    instead: 'return !globalIpv6.check(ip, \'ipv6\')',
    breaks: 'an address that embeds another one is refused',
    tests: ['test/plugins/lib/special-address.test.ts']
  },
  {
    name: 'values-in-facts',
    file: 'evaluation/graph/leaves.ts',
    line: 'field: cleanName(leaf.field),',
    instead: 'field: cleanName(leaf.value),',
    breaks: 'no string of a blueprint is stored or answered',
    tests: ['test/threats/key-theft-from-logs.test.ts', 'test/evaluation/graph/import.test.ts']
  },
  {
    name: 'idempotency-for-anything',
    file: 'routes/v1/evaluate.ts',
    line: "if (outcome.created !== 'created' && outcome.created.requestDigest !== requestDigest) throw new ApiError('idempotency_conflict')",
    instead: '',
    breaks: 'an idempotency key speaks for one request',
    tests: ['test/contract/service.test.ts', 'test/contract/regressions.test.ts']
  },
  {
    name: 'working-canaries',
    file: 'db/queries/keys.ts',
    line: "const values = { ...key, orgId, state: typeof key.canaryLabel === 'string' ? 'inactive' as const : 'active' as const, permissions: [...key.permissions], ipAllowlist: [...key.ipAllowlist] }",
    instead: "const values = { ...key, orgId, state: 'active' as const, permissions: [...key.permissions], ipAllowlist: [...key.ipAllowlist] }",
    breaks: 'a canary key never works',
    tests: ['test/threats/anomalies.test.ts']
  },
  {
    name: 'suspends-unasked',
    file: 'plugins/support/anomaly-response.ts',
    line: "const outcome = await store.suspend(keyId, { reason: `${signals.join(', ')} (anomaly ${id})`, isCertain, isTrial: !autoSuspend })",
    instead: "const outcome = await store.suspend(keyId, { reason: `${signals.join(', ')} (anomaly ${id})`, isCertain, isTrial: false })",
    breaks: 'suspension by itself is opt-in',
    tests: ['test/plugins/support/anomaly-response.test.ts', 'test/threats/anomalies.test.ts']
  },
  {
    name: 'foreign-addresses-unseen',
    file: 'plugins/anomaly-detection.ts',
    line: "else if (code === 'ip_not_allowed' && request.principal !== null && thresholds.foreign_address.count === 1) report('foreign_address', request, request.principal)",
    instead: '',
    breaks: 'layer 8: a valid key from a foreign address is raised at once',
    tests: ['test/plugins/anomaly-detection.test.ts']
  }
]
