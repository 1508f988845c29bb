import t from 'tap'
import { CASES } from '../../../bin/conformance/cases/index.ts'
import { Lab } from '../../../bin/conformance/lab.ts'
import type { Part } from '../../../bin/conformance/definition.ts'
import { DEFAULT_PATHS, readSettings } from '../../../bin/conformance/inputs.ts'
import { makeReport, textOf } from '../../../bin/conformance/report.ts'
import { runCases } from '../../../bin/conformance/run.ts'
import { selfSigned } from '../../helper/certificate.ts'
import { front, onEachStore } from '../../helper/fronts.ts'
import { newCaller, operate, start, type Caller } from '../../helper/service.ts'

const pair = selfSigned()
/** What sees bytes, connections or a profile. */
const EDGE = new Set<Part>(['transport', 'http-edge', 'authentication', 'signature'])
const SLOW = new Set(['SIG-071'])

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
  const others = { ...DEFAULT_PATHS, killedTarget: await front(t, runtime, { enabled: false }), plainTarget: await front(t, runtime, { production: true }) }
  const foreign = (await newCaller(runtime)).key
  const settings = readSettings({ ...others, profile: 'published', target: url }, {
    FB_CONFORMANCE_KEY: caller.key,
    FB_CONFORMANCE_KEYS: [(await more({})).key, (await more({})).key].join(','),
    FB_CONFORMANCE_FOREIGN_KEY: foreign,
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
  t.same(findings.filter(({ verdict }) => verdict === 'SKIPPED').map(({ id }) => id), ['TRP-072'], 'all but the one that needs TLS are made')
  t.ok(findings.filter(({ verdict }) => verdict === 'PASS').length >= 150)

  await t.test('nor over TLS, in production, with keys of the hardened profile', { skip: pair === null ? 'no openssl makes a certificate here' : false }, async (t) => {
    if (pair === null) return
    const hardenedKey = async (): Promise<string> => {
      const { key, signing_secret: secret } = await more({ signing_profile: 'hardened' }) as Caller & { signing_secret: string }
      return `${key}:${secret}`
    }
    const target = await front(t, runtime, { production: true, tlsCertPath: pair.cert, tlsKeyPath: pair.key })
    const secure = readSettings({ ...others, profile: 'hardened', target }, {
      FB_CONFORMANCE_KEY: await hardenedKey(),
      FB_CONFORMANCE_KEYS: [await hardenedKey(), await hardenedKey()].join(','),
      FB_CONFORMANCE_FOREIGN_KEY: foreign
    })
    const found = await runCases(new Lab(secure), { cases: CASES.filter(({ id, parts }) => EDGE.has(parts[0]) && !SLOW.has(id)) })
    t.same(found.filter(({ verdict }) => verdict === 'FAIL').map(({ id, title, seen }) => ({ id, title, seen })), [])
    t.equal(found.find(({ id }) => id === 'TRP-072')?.verdict, 'PASS', 'the one case that needs TLS')
    t.ok(found.filter(({ verdict }) => verdict === 'PASS').length >= 150)
  })
})
