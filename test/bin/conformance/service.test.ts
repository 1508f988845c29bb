import t from 'tap'
import { Lab } from '../../../bin/conformance/lab.ts'
import { DEFAULT_PATHS, readSettings } from '../../../bin/conformance/inputs.ts'
import { makeReport, textOf } from '../../../bin/conformance/report.ts'
import { runCases } from '../../../bin/conformance/run.ts'
import { front, onEachStore } from '../../helper/fronts.ts'
import { newCaller, operate, start, type Caller } from '../../helper/service.ts'

await onEachStore(t, 'the attack list finds nothing in the service', async (t, stores) => {
  const { runtime, url } = await start(stores)
  t.teardown(() => runtime.close())
  const caller = await newCaller(runtime)
  const { orgId } = caller
  const more = async (options: object): Promise<Caller> => await operate(runtime, 'key.create', { org: orgId, name: 'more', permissions: ['governance:read', 'governance:evaluate'], ...options })
  const dead = async (operation: 'key.revoke' | 'key.suspend'): Promise<string> => {
    const { key, id } = await more({}) as Caller & { id: string }
    await operate(runtime, operation, { key: id, reason: 'conformance' })
    return key
  }
  const expired = await more({ expires: new Date(Date.now() + 500).toISOString() })
  const hardened = await more({ signing_profile: 'hardened' }) as Caller & { signing_secret: string }
  const settings = readSettings({
    ...DEFAULT_PATHS,
    profile: 'published',
    target: url,
    killedTarget: await front(t, runtime, { enabled: false }),
    plainTarget: await front(t, runtime, { production: true })
  }, {
    FB_CONFORMANCE_KEY: caller.key,
    FB_CONFORMANCE_KEYS: [(await more({})).key, (await more({})).key].join(','),
    FB_CONFORMANCE_FOREIGN_KEY: (await newCaller(runtime)).key,
    FB_CONFORMANCE_READ_KEY: (await more({ permissions: ['governance:read'] })).key,
    FB_CONFORMANCE_ADMIN_KEY: (await more({ permissions: ['admin'] })).key,
    FB_CONFORMANCE_LIMITED_KEY: (await more({})).key,
    FB_CONFORMANCE_ELSEWHERE_KEY: (await more({ ip_allow: ['203.0.113.0/24'] })).key,
    FB_CONFORMANCE_REVOKED_KEY: await dead('key.revoke'),
    FB_CONFORMANCE_SUSPENDED_KEY: await dead('key.suspend'),
    FB_CONFORMANCE_EXPIRED_KEY: expired.key,
    FB_CONFORMANCE_CANARY_KEY: (await more({ canary_label: 'a wiki page' })).key,
    FB_CONFORMANCE_HARDENED_KEY: `${hardened.key}:${hardened.signing_secret}`
  })
  const startedAt = new Date()
  const findings = await runCases(new Lab(settings))
  const report = makeReport({ findings, settings, version: '0', startedAt, finishedAt: new Date() })
  t.comment(textOf(report))
  t.comment(findings.filter(({ milliseconds }) => milliseconds > 100).map(({ id, milliseconds }) => `${id} ${milliseconds}`).join(' '))
  t.equal(report.totals.FAIL, 0)
  t.ok(findings.filter(({ verdict }) => verdict === 'PASS').length >= 150)
})
