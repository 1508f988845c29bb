import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'

const FOLDERS = ['plugins', 'routes', 'schemas', 'db/queries', 'evaluation', 'bin/fb']

// Sources without a test file of their own, and the test that covers each. An entry goes when its source gets a twin or goes itself.
const COVERED_ELSEWHERE: Record<string, string> = {
  'bin/fb/anomalies.ts': 'test/bin/anomalies.test.ts',
  'bin/fb/baseline-file.ts': 'test/bin/fb.test.ts',
  'bin/fb/check-report.ts': 'test/bin/fb.test.ts',
  'bin/fb/check.ts': 'test/bin/fb.test.ts',
  'bin/fb/files.ts': 'test/bin/fb.test.ts',
  'bin/fb/http-dump.ts': 'test/bin/fb/doctor.test.ts',
  'bin/fb/http.ts': 'test/bin/fb.test.ts',
  'bin/fb/kill.ts': 'test/contract/kill-switch.test.ts',
  'bin/fb/marks.ts': 'test/bin/marks.test.ts',
  'bin/fb/options.ts': 'test/bin/fb.test.ts',
  'bin/fb/output.ts': 'test/bin/fb.test.ts',
  'bin/fb/records.ts': 'test/bin/fb.test.ts',
  'bin/fb/secrets.ts': 'test/bin/fb.test.ts',
  'bin/fb/store.ts': 'test/bin/fb.test.ts',
  'bin/fb/suppress.ts': 'test/bin/fb.test.ts',
  'bin/fb/suppressions-file.ts': 'test/bin/fb.test.ts',
  'bin/fb/trace.ts': 'test/bin/fb.test.ts',
  'db/queries/accepted-requests.ts': 'test/threats/token-replay.test.ts',
  'db/queries/anomalies.ts': 'test/threats/anomalies.test.ts',
  'db/queries/connections.ts': 'test/contract/governance.test.ts',
  'db/queries/delivery-queue.ts': 'test/evaluation/deliver.test.ts',
  'db/queries/evaluations.ts': 'test/evaluation/worker.test.ts',
  'db/queries/key-events.ts': 'test/contract/console.test.ts',
  'db/queries/keys.ts': 'test/db/isolation.test.ts',
  'db/queries/organizations.ts': 'test/db/isolation.test.ts',
  'db/queries/scenarios.ts': 'test/db/isolation.test.ts',
  'db/queries/standings.ts': 'test/contract/governance.test.ts',
  'db/queries/suppressions.ts': 'test/contract/suppressions.test.ts',
  'db/queries/traces.ts': 'test/threats/leaked-marks.test.ts',
  'db/queries/webhooks.ts': 'test/evaluation/deliver.test.ts',
  'evaluation/evaluate-thread.ts': 'test/evaluation/worker.test.ts',
  'evaluation/expiry-notices.ts': 'test/contract/key-rotation.test.ts',
  'evaluation/graph/addresses.ts': 'test/evaluation/graph/import.test.ts',
  'evaluation/graph/lexicon.ts': 'test/evaluation/graph/import.test.ts',
  'evaluation/graph/n8n-types.ts': 'test/evaluation/rules/detection.test.ts',
  'evaluation/graph/notes.ts': 'test/evaluation/graph/import.test.ts',
  'evaluation/graph/traits.ts': 'test/evaluation/graph/import.test.ts',
  'evaluation/graph/types.ts': 'test/evaluation/graph/import.test.ts',
  'evaluation/import-thread.ts': 'test/evaluation/body-reader.test.ts',
  'evaluation/key-lifecycle.ts': 'test/contract/key-rotation.test.ts',
  'evaluation/kill-control.ts': 'test/evaluation/operator-kill.test.ts',
  'evaluation/operator-anomalies.ts': 'test/threats/anomalies.test.ts',
  'evaluation/operator-arguments.ts': 'test/evaluation/operator.test.ts',
  'evaluation/operator-keys.ts': 'test/contract/key-rotation.test.ts',
  'evaluation/operator-options.ts': 'test/contract/governance.test.ts',
  'evaluation/operator-secrets.ts': 'test/contract/webhooks.test.ts',
  'evaluation/operator-signing.ts': 'test/contract/hardened-signature.test.ts',
  'evaluation/operator-suppressions.ts': 'test/contract/suppressions.test.ts',
  'evaluation/operator-trace.ts': 'test/threats/leaked-marks.test.ts',
  'evaluation/results.ts': 'test/threats/leaked-marks.test.ts',
  'evaluation/rules/answers.ts': 'test/evaluation/rules/detection.test.ts',
  'evaluation/rules/components.ts': 'test/evaluation/rules/cases.test.ts',
  'evaluation/rules/consequences.ts': 'test/evaluation/rules/cases.test.ts',
  'evaluation/rules/cycles.ts': 'test/evaluation/rules/cases.test.ts',
  'evaluation/rules/definition.ts': 'test/evaluation/rules/cases.test.ts',
  'evaluation/rules/destinations.ts': 'test/evaluation/rules/cases.test.ts',
  'evaluation/rules/entries.ts': 'test/evaluation/rules/cases.test.ts',
  'evaluation/rules/fingerprint.ts': 'test/evaluation/rules/cases.test.ts',
  'evaluation/rules/hits.ts': 'test/evaluation/rules/cases.test.ts',
  'evaluation/rules/input.ts': 'test/evaluation/rules/cases.test.ts',
  'evaluation/rules/model-output.ts': 'test/evaluation/rules/cases.test.ts',
  'evaluation/rules/privacy.ts': 'test/evaluation/rules/cases.test.ts',
  'evaluation/rules/profiles.ts': 'test/evaluation/rules/cases.test.ts',
  'evaluation/rules/recovery.ts': 'test/evaluation/rules/cases.test.ts',
  'evaluation/rules/references.ts': 'test/evaluation/rules/detection.test.ts',
  'evaluation/rules/secret-places.ts': 'test/evaluation/rules/cases.test.ts',
  'evaluation/rules/wiring.ts': 'test/evaluation/rules/cases.test.ts',
  'evaluation/stored-graph.ts': 'test/evaluation/body-reader.test.ts',
  'evaluation/thread-pool.ts': 'test/evaluation/worker.test.ts',
  'plugins/context.ts': 'test/plugins/permission-scopes.test.ts',
  'plugins/index.ts': 'test/contract/layers.test.ts',
  'plugins/lib/anomaly/thresholds.ts': 'test/plugins/lib/anomaly/detector.test.ts',
  'plugins/lib/api-key.ts': 'test/plugins/authentication.test.ts',
  'plugins/lib/base32.ts': 'test/plugins/org-scope.test.ts',
  'plugins/lib/cidr.ts': 'test/plugins/ip-allowlist.test.ts',
  'plugins/lib/hmac.ts': 'test/vectors/vectors.test.ts',
  'plugins/lib/kill-switch.lua.ts': 'test/db/queries/kill-switch.test.ts',
  'plugins/lib/network.ts': 'test/plugins/lib/anomaly/detector.test.ts',
  'plugins/lib/record-id.ts': 'test/plugins/org-scope.test.ts',
  'plugins/lib/signature-header-mistakes.ts': 'test/plugins/lib/signature-doctor.test.ts',
  'plugins/lib/signature-message.ts': 'test/plugins/lib/signature-doctor.test.ts',
  'plugins/lib/signature-mistakes.ts': 'test/plugins/lib/signature-doctor.test.ts',
  'plugins/lib/single-use-token.lua.ts': 'test/plugins/support/redis.test.ts',
  'plugins/lib/sliding-window.lua.ts': 'test/plugins/support/redis.test.ts',
  'plugins/lib/untold-admissions.ts': 'test/plugins/rate-limits.test.ts',
  'plugins/lib/watermark-id.ts': 'test/plugins/watermark.test.ts',
  'plugins/lib/webhook-signature.ts': 'test/threats/webhook-spoofing.test.ts',
  'plugins/support/anomaly-detector.ts': 'test/threats/anomalies.test.ts',
  'plugins/support/kill-store.ts': 'test/db/queries/kill-switch.test.ts',
  'plugins/support/raw-body.ts': 'test/plugins/signature.test.ts',
  'plugins/support/redis-circuits.ts': 'test/contract/redis-faults.test.ts',
  'plugins/support/redis-connection.ts': 'test/plugins/support/redis.test.ts',
  'plugins/support/redis-health.ts': 'test/plugins/support/redis.test.ts',
  'plugins/support/redis-kill.ts': 'test/db/queries/kill-switch.test.ts',
  'plugins/support/redis-scripts.ts': 'test/plugins/support/redis.test.ts',
  'plugins/support/session.ts': 'test/contract/console.test.ts',
  'routes/blueprint-body.ts': 'test/contract/console.test.ts',
  'routes/console/audit.ts': 'test/contract/console.test.ts',
  'routes/console/index.ts': 'test/contract/console.test.ts',
  'routes/console/keys.ts': 'test/contract/console.test.ts',
  'routes/console/scenarios.ts': 'test/contract/console.test.ts',
  'routes/v1/deps.ts': 'test/contract/stores-away.test.ts',
  'routes/v1/evaluate.ts': 'test/contract/service.test.ts',
  'routes/v1/evaluations.ts': 'test/contract/service.test.ts',
  'routes/v1/health.ts': 'test/contract/service.test.ts',
  'routes/v1/index.ts': 'test/contract/service.test.ts',
  'routes/v1/policies.ts': 'test/contract/service.test.ts',
  'routes/v1/remediation.ts': 'test/contract/governance.test.ts',
  'routes/v1/requests.ts': 'test/threats/leaked-marks.test.ts',
  'routes/v1/results.ts': 'test/threats/result-token-replay.test.ts',
  'routes/v1/scenarios.ts': 'test/contract/service.test.ts',
  'routes/v1/summary.ts': 'test/contract/governance.test.ts',
  'routes/v1/suppressions.ts': 'test/contract/suppressions.test.ts',
  'routes/v1/webhook-deliveries.ts': 'test/contract/webhooks.test.ts',
  'routes/v1/webhooks.ts': 'test/contract/webhooks.test.ts',
  'schemas/console.ts': 'test/contract/console.test.ts',
  'schemas/envelope.ts': 'test/schemas/wire.test.ts',
  'schemas/evaluation.ts': 'test/schemas/wire.test.ts',
  'schemas/governance.ts': 'test/contract/governance.test.ts',
  'schemas/policy.ts': 'test/schemas/wire.test.ts',
  'schemas/primitives.ts': 'test/schemas/wire.test.ts',
  'schemas/request.ts': 'test/threats/leaked-marks.test.ts',
  'schemas/scenario.ts': 'test/schemas/wire.test.ts',
  'schemas/suppression.ts': 'test/contract/suppressions.test.ts',
  'schemas/webhook-event.ts': 'test/openapi/document.test.ts',
  'schemas/webhook.ts': 'test/contract/webhooks.test.ts'
}

const sourcesIn = (folder: string): string[] => readdirSync(folder, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
  .map((entry) => join(entry.parentPath, entry.name))
  .sort()
const twinOf = (source: string): string => `test/${source.replace(/\.ts$/, '.test.ts')}`
const sources = FOLDERS.flatMap(sourcesIn)

// Everything that a file loads: imports, and files that are started as a thread or a process by their URL.
const LOADS = /(?:from|import) '(\.{1,2}\/[^']+)'|import\('(\.{1,2}\/[^']+)'\)|new URL\('(\.{1,2}\/[^']+\.js)', import\.meta\.url\)/g

function loadedBy (file: string, seen: Set<string> = new Set()): Set<string> {
  if (seen.has(file) || !existsSync(file)) return seen
  seen.add(file)
  for (const [, imported, lazily, started] of readFileSync(file, 'utf8').matchAll(LOADS)) {
    const target = imported ?? lazily ?? started ?? ''
    loadedBy(join(dirname(file), target.replace(/\.js$/, '.ts')), seen)
  }
  return seen
}

t.test('every source has a test file of its own, or is named here with the test that covers it', async (t) => {
  t.ok(sources.length > 100, `${sources.length} sources`)
  t.same(sources.filter((source) => !existsSync(twinOf(source)) && COVERED_ELSEWHERE[source] === undefined), [], 'add a twin in test/, or a line here')
})

t.test('the list is not stale: its sources exist and have no twin, its tests exist and load what they are said to cover', async (t) => {
  t.same(Object.keys(COVERED_ELSEWHERE), Object.keys(COVERED_ELSEWHERE).sort())
  for (const [source, test] of Object.entries(COVERED_ELSEWHERE)) {
    t.ok(existsSync(source), `${source} exists`)
    t.notOk(existsSync(twinOf(source)), `${source} has no twin`)
    t.ok(test.endsWith('.test.ts') && existsSync(test), `${test} exists`)
    t.ok(loadedBy(test).has(source), `${test} loads ${source}`)
  }
})

t.test('no test mirrors a source that is gone', async (t) => {
  const own = ['examples', 'contract', 'threats', 'vectors', 'helper', 'bin', 'db', 'torture', 'defects']
  const orphans = sourcesIn('test').filter((file) => file.endsWith('.test.ts') && !own.includes(file.split('/')[1] ?? ''))
    .filter((file) => !existsSync(file.slice('test/'.length).replace(/\.test\.ts$/, '.ts')))
  t.same(orphans, ['test/docs/commands.test.ts', 'test/evaluation/corpus.test.ts', 'test/evaluation/metamorphic.test.ts', 'test/evaluation/rules/cases.test.ts', 'test/evaluation/rules/detection.test.ts', 'test/evaluation/rules/twins.test.ts', 'test/evaluation/secrets-recall.test.ts', 'test/plugins/support/stores.test.ts', 'test/schemas/wire.test.ts'].sort(), 'these test several sources at once')
})
