import t from 'tap'
import { buildOps } from '../../bin/ops.ts'
import { PAGE_POLICY } from '../../openapi/page/page.ts'
import { NOTHING_KILLED } from '../../plugins/kill-switch.ts'
import { createMetrics } from '../../plugins/support/metrics.ts'

// That the public listener serves none of it is said in test/contract/openapi.test.ts.
t.test('the documents and their pages are served on the operations listener', async (t) => {
  const ops = buildOps({ metrics: createMetrics(), databaseClock: async () => Date.now(), windowsStore: async () => 'in memory', isDraining: () => false, killState: () => NOTHING_KILLED })
  t.teardown(() => ops.close())
  for (const path of ['/docs', '/docs/console', '/openapi.json', '/openapi-console.json']) {
    const { statusCode, headers, body } = await ops.inject(path)
    t.equal(statusCode, 200, path)
    t.equal(headers['x-content-type-options'], 'nosniff')
    if (path.startsWith('/docs')) {
      t.match(headers, { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': PAGE_POLICY })
      t.match(body, /^<!doctype html>/)
    } else t.match(JSON.parse(body), { openapi: '3.1.0' })
    t.equal((await ops.inject({ method: 'POST', url: path })).statusCode, 404)
  }
})
