import t from 'tap'
import ipAllowlist from '../../plugins/ip-allowlist.ts'
import { parseCidr } from '../../plugins/lib/cidr.ts'
import { bareApp, leavePrincipal, principal, route } from '../helper/bare.ts'

const cases: Array<[readonly string[], string, number]> = [
  [[], '203.0.113.9', 200],
  [['203.0.113.0/24'], '203.0.113.255', 200],
  [['203.0.113.0/24'], '203.0.114.0', 403],
  [['203.0.113.7'], '203.0.113.7', 200],
  [['203.0.113.7'], '203.0.113.8', 403],
  [['203.0.113.0/24'], '::ffff:203.0.113.5', 200],
  [['2001:db8::/32'], '2001:db8:1::1', 200],
  [['2001:db8::/32'], '2001:db9::1', 403],
  [['not a range'], '203.0.113.7', 403]
]

for (const [ranges, ip, status] of cases) {
  t.test(`answers ${status} to ${ip} under [${ranges.join(', ')}]`, async (t) => {
    const app = await bareApp()
    leavePrincipal(app, principal({ ipAllowlist: ranges }))
    await app.register(ipAllowlist)
    const seen = route(app)
    const answer = await app.inject({ url: '/thing', remoteAddress: ip })
    t.equal(answer.statusCode, status)
    t.equal(seen.calls, status === 200 ? 1 : 0)
    if (status === 403) t.match(answer.json(), { error: 'IP address not allowed', code: 'ip_not_allowed', detail: ip })
  })
}

t.test('names an IPv4-mapped address by its IPv4 address', async (t) => {
  const app = await bareApp()
  leavePrincipal(app, principal({ ipAllowlist: ['203.0.113.7'] }))
  await app.register(ipAllowlist)
  route(app)
  t.equal((await app.inject({ url: '/thing', remoteAddress: '::ffff:203.0.113.8' })).json().detail, '203.0.113.8')
})

t.test('does not believe a forwarded address from a peer that is no trusted proxy', async (t) => {
  const app = await bareApp()
  leavePrincipal(app, principal({ ipAllowlist: ['203.0.113.7'] }))
  await app.register(ipAllowlist)
  route(app)
  t.equal((await app.inject({ url: '/thing', remoteAddress: '198.51.100.1', headers: { 'x-forwarded-for': '203.0.113.7' } })).statusCode, 403)
})

t.test('judges again when the record is read again, so that a narrowed list holds for the request at hand', async (t) => {
  const app = await bareApp()
  leavePrincipal(app, principal({ ipAllowlist: [] }))
  await app.register(ipAllowlist)
  app.get('/thing', { config: { access: 'key', scope: 'governance:read' } }, async (request) => {
    for (const judge of app.principalJudges) judge(request, principal({ ipAllowlist: ['203.0.113.0/24'] }))
    return { ok: true, data: {} }
  })
  t.equal((await app.inject({ url: '/thing', remoteAddress: '203.0.113.9' })).statusCode, 200)
  t.match((await app.inject({ url: '/thing', remoteAddress: '198.51.100.1' })).json(), { code: 'ip_not_allowed' })
})

t.test('refuses nobody by a record that is stale, and lets every judge speak on the one that is read instead', async (t) => {
  const app = await bareApp()
  const renewed = [principal({ ipAllowlist: ['203.0.113.0/24'], epoch: 'e2' }), principal({ ipAllowlist: ['192.0.2.1'], epoch: 'e2' })]
  const held = principal({ ipAllowlist: ['192.0.2.0/24'] })
  leavePrincipal(app, held)
  app.addHook('onRequest', async (request) => { request.renewPrincipal = async () => renewed.shift() ?? held })
  await app.register(ipAllowlist)
  const judged: string[] = []
  app.principalJudges.push((_request, { epoch }) => { judged.push(epoch) })
  const seen = route(app)
  const from = async (remoteAddress: string): Promise<number> => (await app.inject({ url: '/thing', remoteAddress })).statusCode
  t.same([await from('203.0.113.9'), await from('203.0.113.9'), await from('203.0.113.9')], [200, 403, 403], 'widened; another list; the record at hand is the newest')
  t.equal(seen.calls, 1)
  t.same(judged, ['e2'])
  t.equal(await from('192.0.2.9'), 200)
  t.same(judged, ['e2'], 'whoever passes is not asked about')
})

t.test('reads ranges strictly', async (t) => {
  for (const bad of ['', '1.2.3', '1.2.3.4/33', '1.2.3.4/-1', '1.2.3.4/8/8', '::/129', 'fe80::1%eth0', '1.2.3.4/', 'example.org']) t.throws(() => parseCidr(bad), bad)
})
