import t from 'tap'
import { parseRedisUrl } from '../../../plugins/lib/redis-url.ts'

t.test('names one server, the sentinels of a master, or the nodes of a cluster', async (t) => {
  t.same(parseRedisUrl('redis://cache.internal'), { form: 'single', isTls: false, nodes: [{ host: 'cache.internal', port: 6379 }], database: 0 })
  t.same(parseRedisUrl('rediss://fb:p%40ss%3A%2F@cache.internal:6380/3'), { form: 'single', isTls: true, nodes: [{ host: 'cache.internal', port: 6380 }], username: 'fb', password: 'p@ss:/', database: 3 })
  t.same(parseRedisUrl('redis://:secret@[::1]:7000'), { form: 'single', isTls: false, nodes: [{ host: '::1', port: 7000 }], password: 'secret', database: 0 })
  t.same(parseRedisUrl('redis+sentinel://fb:secret@a,b:26380,[fd00::1]:26381/mymaster/2?sentinel_username=watch&sentinel_password=p%26q'), {
    form: 'sentinel',
    isTls: false,
    nodes: [{ host: 'a', port: 26379 }, { host: 'b', port: 26380 }, { host: 'fd00::1', port: 26381 }],
    username: 'fb',
    password: 'secret',
    database: 2,
    masterName: 'mymaster',
    sentinelUsername: 'watch',
    sentinelPassword: 'p&q'
  })
  t.same(parseRedisUrl('rediss+cluster://a:7000,b:7001,c'), { form: 'cluster', isTls: true, nodes: [{ host: 'a', port: 7000 }, { host: 'b', port: 7001 }, { host: 'c', port: 6379 }], database: 0 })
})

for (const [name, url] of [
  ['another scheme', 'http://:SECRET@cache'], ['no host', 'redis://'], ['several hosts without a form', 'redis://:SECRET@a,b'], ['a port that is none', 'redis://:SECRET@a:99999'], ['a port 0', 'redis://:SECRET@a:0'],
  ['a host that is none', 'redis://:SECRET@a b'], ['an empty host in a list', 'redis+cluster://:SECRET@a,,b'], ['a database that is no number', 'redis://:SECRET@a/x'], ['a path below the database', 'redis://:SECRET@a/0/x'],
  ['sentinels without a master', 'redis+sentinel://:SECRET@a'], ['sentinels with a deeper path', 'redis+sentinel://:SECRET@a/m/0/x'], ['a cluster with a database', 'redis+cluster://:SECRET@a/1'],
  ['an option that is not known', 'redis://a?password=SECRET'], ['an unknown option of sentinels', 'redis+sentinel://a/m?password=SECRET'], ['a password that is not encoded', 'redis://:SECRET%zz@a'], ['a fragment', 'redis://:SECRET@a#x']
] as const) {
  t.test(`refuses ${name}, and repeats nothing of it`, async (t) => {
    t.throws(() => parseRedisUrl(url), RangeError)
    try {
      parseRedisUrl(url)
    } catch (err) {
      t.notMatch(String(err), /SECRET/)
    }
  })
}
