import fc from 'fast-check'
import t from 'tap'
import { targetProblem } from '../../../plugins/lib/request-target.ts'
import { pathOf } from '../../../plugins/lib/hmac.ts'

const RUNS = Number(process.env['TARGET_RUNS'] ?? 20_000)

t.test('takes the targets of this API, and any query', async (t) => {
  for (const target of ['/', '/api/public/v1/evaluate', '/api/public/v1/results/eyJhbGciOiJIUzI1NiJ9.e30.a-b_c', '/api/public/v1/scenarios?limit=10&cursor=a%2Fb%00//../;x', '/a/%E2%80%AE', '/a/b.c', '/a/...', '/a;b=c', '/?', '/a?b?c']) t.equal(targetProblem(target), null, target)
})

t.test('refuses what has a second spelling', async (t) => {
  const cases = ['', '*', 'a:443', 'http://a/b', 'https://a/b', '//a', '/a//b', '/a/', '/./a', '/a/.', '/a/..', '/a/../b', '/%61', '/%41', '/%7E', '/%2e', '/%2E%2e/a', '/a%2fb', '/a%2Fb', '/a%5cb', '/a\\b', '/a%00', '/a%0d%0a', '/a%7f', '/a%25', '/a%2561', '/a#b', '/a%23', '/a%3f', '/a%3b', '/a?b#c', '/a%', '/a%4', '/a%zz', '/a b', '/a\tb', '/a\0', '/a\x7f', '/é', '/a"b', '/a<b', '/a{b}', '/a|b', '/a^b', '/a`b', '/a[b]', '/a?b\0', '/a?é', '/a?b c']
  for (const target of cases.filter((one) => one !== '/a/')) t.type(targetProblem(target), 'string', JSON.stringify(target))
  t.equal(targetProblem('/a/'), null, 'a trailing slash is another path, not another spelling')
})

t.test(`of ${RUNS} random spellings, none that is taken means the path of another one that is taken`, async (t) => {
  const known = '/api/public/v1/governance/policies'
  const spelled = fc.array(fc.oneof(
    { weight: 12, arbitrary: fc.constant(null) },
    { weight: 1, arbitrary: fc.constantFrom('%', 'upper', 'double', '//', '/./', '/x/../', ';', '\\', '%2f', '\0') }
  ), { minLength: known.length, maxLength: known.length }).map((changes) => [...known].map((character, at) => {
    const code = character.charCodeAt(0).toString(16)
    switch (changes[at]) {
      case null: case undefined: return character
      case '%': return `%${code}`
      case 'upper': return `%${code.toUpperCase()}`
      case 'double': return `%25${code}`
      default: return character === '/' ? String(changes[at]) : `${character}${String(changes[at])}`
    }
  }).join(''))
  fc.assert(fc.property(spelled, (target) => {
    if (targetProblem(target) !== null) return true
    // The decoders of routers and file systems, one after the other.
    const decoded = decodeURIComponent(pathOf(target))
    const normalised = new URL(decoded, 'http://a').pathname
    return target === known || (decoded !== known && normalised !== known)
  }), { numRuns: RUNS })
})
