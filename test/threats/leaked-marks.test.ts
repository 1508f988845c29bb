import { randomInt } from 'node:crypto'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { insertAuditRows } from '../../db/queries/system.ts'
import { judgementOnWire } from '../../evaluation/results.ts'
import { evaluateGraph } from '../../evaluation/evaluate.ts'
import { importBlueprint } from '../../evaluation/graph/import.ts'
import type { TracedMark } from '../../evaluation/operator-trace.ts'
import type { AuditRow } from '../../plugins/context.ts'
import { mintRef } from '../../plugins/lib/finding-ref.ts'
import { mintWatermark } from '../../plugins/lib/watermark-id.ts'
import { startReceiver } from '../helper/receiver.ts'
import { call, embedded, FLOW, newCaller, operate, real, send, start, type Caller, type Stores } from '../helper/service.ts'

const realStores = await real()
const P = '/api/public/v1'
const ANSWERS = 1000
const FORGERIES = 100_000
const ALPHABET = '0123456789abcdefghijklmnopqrstuvwxyz'
const fb = fileURLToPath(new URL('../../bin/fb.js', import.meta.url))

const imported = importBlueprint(FLOW)
if (!imported.ok) throw new Error(imported.reason)
const base = evaluateGraph(imported.graph)

function randomChar (): string {
  return ALPHABET[randomInt(36)] ?? '0'
}

// One altered, spliced, cut or random mark that is not among the genuine ones.
function forge (genuine: readonly string[], n: number): string {
  const one = genuine[randomInt(genuine.length)] ?? ''
  const other = genuine[randomInt(genuine.length)] ?? ''
  const at = 3 + randomInt(one.length - 3)
  switch (n % 5) {
    case 0: return one.slice(0, at) + (one[at] === 'z' ? '0' : randomChar() === one[at] ? 'z' : 'z') + one.slice(at + 1)
    case 1: return one.slice(0, 3) + Array.from({ length: one.length - 3 }, randomChar).join('')
    case 2: return one.slice(0, at) + other.slice(at)
    case 3: return one.slice(0, at) + one.slice(at).toUpperCase()
    default: return one.slice(0, -8) + Array.from({ length: 8 }, randomChar).join('')
  }
}

function suite (stores: Stores): void {
  t.test(`leaked marks on ${stores.name}`, { timeout: 170_000 }, async (t) => {
    t.comment(`stores: ${stores.name}`)
    const { runtime, url } = await start(stores, { WEBHOOK_UNSAFE_ALLOWED_RANGES: '127.0.0.1/32' })
    let isOpen = true
    t.teardown(async () => {
      if (isOpen) await runtime.close()
      await stores.drop()
    })
    const secret = runtime.config.secrets.watermark
    const admin = async (): Promise<Caller> => await newCaller(runtime, { permissions: ['admin'], rpm: 100_000, rph: 100_000 })
    const owner = await admin()
    const stranger = await admin()
    const trace = async (marks: string[]): Promise<TracedMark[]> => (await operate(runtime, 'trace.marks', { marks })).marks

    await t.test(`from each single violation of ${ANSWERS} random answers the answer is found`, async (t) => {
      const rows: AuditRow[] = Array.from({ length: ANSWERS }, (_, n) => ({
        watermark: mintWatermark(secret, Date.now() - randomInt(20 * 86_400_000)),
        at: new Date(),
        orgId: n % 2 === 0 ? owner.orgId : stranger.orgId,
        keyId: owner.keyId,
        keyPrefix: 'fb_live_0000',
        method: 'GET',
        route: `${P}/scenarios/:id/results`,
        pathHash: String(n),
        status: 200,
        code: null,
        reason: null,
        ip: '192.0.2.9',
        userAgent: 'deck/1.0',
        instance: 'i',
        degraded: false,
        jti: null
      }))
      for (const row of rows) row.at = new Date(Number.parseInt(row.watermark.slice(3, 12), 36) + 40)
      await insertAuditRows(runtime.database, rows)
      let checked = 0
      let wrong = 0
      for (let from = 0; from < ANSWERS; from += 100) {
        const wanted: string[] = []
        const refs = rows.slice(from, from + 100).flatMap((row) => {
          const finding = base.violations[0]
          const violations = finding === undefined ? [] : Array.from({ length: 1 + randomInt(8) }, (_, n) => ({ ...finding, fingerprint: `${row.pathHash}-${n}` }))
          const answer = JSON.parse(JSON.stringify(judgementOnWire({ ...base, violations, suppressed: [] }, null, row.watermark, secret)))
          return answer.violations.map((violation: { ref: string }) => {
            wanted.push(row.watermark)
            return violation.ref
          })
        })
        const traced = await trace(refs)
        for (const [n, one] of traced.entries()) {
          checked++
          const row = rows.find(({ watermark }) => watermark === wanted[n])
          if (one.verdict !== 'known' || one.org_id !== row?.orgId || one.at !== row?.at.toISOString() || one.ip !== '192.0.2.9') wrong++
        }
      }
      t.ok(checked > ANSWERS)
      t.equal(wrong, 0, `${checked} violations`)
    })

    await t.test(`${FORGERIES} random or altered marks and references are all forged`, async (t) => {
      const genuine = [...Array.from({ length: 500 }, () => mintWatermark(secret)), ...Array.from({ length: 500 }, (_, n) => mintRef(mintWatermark(secret), String(n), secret))]
      const known = new Set(genuine)
      let forged = 0
      for (let from = 0; from < FORGERIES; from += 1000) {
        const marks = Array.from({ length: 1000 }, (_, n) => forge(genuine, from + n)).map((mark) => known.has(mark) ? `${mark.slice(0, -1)}${mark.endsWith('q') ? 'r' : 'q'}` : mark)
        forged += (await trace(marks)).filter(({ verdict }) => verdict === 'forged').length
      }
      t.equal(forged, FORGERIES)
    })

    await t.test('a partner finds its own marks, and of others learns nothing, not even that they exist', async (t) => {
      const listed = await call(url, owner, 'GET', '/scenarios')
      const own = listed.body.meta.watermark
      t.match((await call(url, owner, 'GET', `/watermarks/${own}`)).body.data, { watermark: own, source: 'request', request: { watermark: own, method: 'GET', route: `${P}/scenarios`, status: 200, ip: '127.0.0.1' }, webhook: null })
      t.match((await call(url, owner, 'GET', `/watermarks/${mintRef(own, 'f', secret)}`)).body.data, { watermark: own })
      const asked = [own, mintRef(own, 'f', secret), mintWatermark(secret), mintRef(mintWatermark(secret), 'f', secret), `wm_${'a'.repeat(36)}`, `vr_${'a'.repeat(44)}`, 'nonsense']
      const answers = await Promise.all(asked.map((mark) => call(url, stranger, 'GET', `/watermarks/${mark}`)))
      const shape = answers.map(({ status, body, headers }) => ({ status, body: { ...body, meta: null }, headers: [...headers.keys()].sort() }))
      t.equal(shape[0]?.status, 404)
      for (const one of shape) t.same(one, shape[0])
      const reader = await newCaller(runtime, { permissions: ['governance:read'] })
      for (const path of ['/requests', `/watermarks/${own}`]) t.equal((await call(url, reader, 'GET', path)).body.code, 'insufficient_permission')
    })

    await t.test('an organization reads its own requests, filtered and page by page', async (t) => {
      const caller = await admin()
      const seen: string[] = []
      for (let n = 0; n < 7; n++) seen.push((await call(url, caller, 'GET', n === 3 ? '/evaluations/req_nothing' : '/scenarios')).body.meta.watermark)
      const pages: any[] = []
      for (let cursor = ''; ;) {
        const { body } = await call(url, caller, 'GET', `/requests?limit=3&until=${new Date(Date.now() + 60_000).toISOString()}${cursor}`)
        pages.push(...body.data.requests)
        if (body.data.next_cursor === null || pages.length > 30) break
        cursor = `&cursor=${body.data.next_cursor}`
      }
      const mine = pages.filter(({ watermark }) => seen.includes(watermark)).map(({ watermark }) => watermark)
      t.same(mine, [...seen].reverse(), 'newest first, each once, though new rows arrive')
      t.same((await call(url, caller, 'GET', '/requests?status=404')).body.data.requests.map(({ watermark }: { watermark: string }) => watermark), [seen[3]])
      t.same((await call(url, caller, 'GET', `/requests?watermark=${seen[2]}`)).body.data.requests.length, 1)
      t.same((await call(url, caller, 'GET', `/requests?key_prefix=${caller.key.slice(0, 12)}&limit=100`)).body.data.requests.every(({ key_prefix: prefix }: { key_prefix: string }) => prefix === caller.key.slice(0, 12)), true)
      t.same((await call(url, caller, 'GET', '/requests?since=2999-01-01T00:00:00Z')).body.data.requests, [])
      for (const query of ['limit=0', 'limit=101', 'status=abc', 'key_prefix=fb', 'since=yesterday', 'cursor=xyz', 'unknown=1', 'watermark=wm_x']) t.equal((await call(url, caller, 'GET', `/requests?${query}`)).body.code, 'malformed_request', query)
    })

    await t.test('a finding of redeemed results and of a webhook leads to its answer and to itself', async (t) => {
      const receiver = await startReceiver()
      t.teardown(() => receiver.close())
      const hook = await call(url, owner, 'POST', '/webhooks', JSON.stringify({ url: receiver.url, events: ['evaluation.complete'] }))
      const accepted = await call(url, owner, 'POST', '/evaluate', JSON.stringify({ blueprints: [{ id: 'mine', blueprint: FLOW }] }))
      const [received] = await receiver.next(1)
      const results = await send(url, 'GET', `${P}/results/${accepted.body.data.result_token}`)
      const refs = [results.body.data.scenarios[0].violations[0].ref, received?.json.scenarios[0].violations[0].ref]
      t.not(refs[0], refs[1])
      t.match(await trace(refs), [
        { kind: 'ref', verdict: 'known', source: 'request', org_id: owner.orgId, route: `${P}/results/:token`, finding: { code: 'NET-001', scenario: 'mine' } },
        { kind: 'ref', verdict: 'known', source: 'webhook', org_id: owner.orgId, webhook_id: hook.body.data.id, finding: { code: 'NET-001' } }
      ])
      t.match((await call(url, owner, 'GET', `/watermarks/${refs[1]}`)).body.data, { source: 'webhook', request: null, webhook: { id: hook.body.data.id, event: 'evaluation.complete' } })
      t.match(await operate(runtime, 'trace', { watermark: refs[0] }), { watermark: results.body.meta.watermark, finding: { code: 'NET-001' } })
    })

    await t.test('fb trace finds every mark in a leaked text and says whose it is', async (t) => {
      const answer = await call(url, owner, 'GET', '/scenarios')
      const mark: string = answer.body.meta.watermark
      const folder = mkdtempSync(join(tmpdir(), 'flowbeacon-leak-'))
      t.teardown(() => rmSync(folder, { recursive: true, force: true }))
      const file = join(folder, 'chat.txt')
      writeFileSync(file, `Look what I found: "${mark.slice(0, 20)}\n> ${mark.slice(20)}" and ${mintRef(mark, 'f', secret)}, key ${owner.key}, forged wm_${'a'.repeat(36)}`)
      await runtime.close()
      isOpen = false
      const { code, stdout, stderr } = await new Promise<{ code: number, stdout: string, stderr: string }>((resolve) => {
        const child = execFile(process.execPath, [fb, 'trace', file, '--json'], { env: { ...process.env, ...stores.env } }, (_err, stdout, stderr) => resolve({ code: child.exitCode ?? -1, stdout, stderr }))
      })
      t.equal(code, 1, 'a forged mark is among them')
      const told = JSON.parse(stdout)
      const verdicts = new Map<string, TracedMark>(told.marks.map((one: TracedMark) => [one.mark, one]))
      t.match(verdicts.get(mark), { verdict: 'known', org_id: owner.orgId, org_name: 'Test', key_id: owner.keyId, status: 200 })
      t.match(verdicts.get(`wm_${'a'.repeat(36)}`), { verdict: 'forged' })
      t.match([...verdicts.values()].find(({ kind }) => kind === 'ref'), { verdict: 'known', at: verdicts.get(mark)?.at })
      t.match(verdicts.get(owner.key.slice(0, 12)), { verdict: 'known', kind: 'key_prefix', key_id: owner.keyId, key_state: 'active' })
      t.same(told.whole_keys, [owner.key.slice(0, 12)])
      t.match(stderr, /revoke it/)
      t.notMatch(stdout + stderr, owner.key.slice(0, 13))
    })
  })
}

// On one pair of stores, as onEachStore (helper/fronts.ts) has it.
if (realStores === null || process.env['EVERY_STORE'] === '1') suite(embedded())
if (realStores === null) t.test('leaked marks on PostgreSQL and Redis', { skip: 'no PostgreSQL and Redis answered (TEST_DATABASE_URL, TEST_REDIS_URL)' }, async () => {})
else suite(realStores)
