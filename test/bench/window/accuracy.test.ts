import { Redis } from 'ioredis'
import t from 'tap'
import { judge, judgeProcess, judgeScript, LIMITS } from '../../../bench/window/accuracy.ts'
import { hasRedisServer, NO_REDIS_SERVER, startPrivateRedis } from '../../helper/private-redis.ts'

const HOURS = 2
const SEED = 7

t.test('the window of the process admits nothing over its limits and refuses nothing that fits, in any pattern', async (t) => {
  for (const { pattern, requests, overAdmitted, wronglyRefused, worstMinute, worstHour } of judgeProcess(HOURS, SEED)) {
    t.ok(requests > 1000, pattern)
    t.same({ overAdmitted, wronglyRefused }, { overAdmitted: 0, wronglyRefused: 0 }, pattern)
    t.ok(worstMinute <= LIMITS.perMinute && worstHour <= LIMITS.perHour, pattern)
  }
})

t.test('neither does the script that Redis runs, and the two agree', { skip: hasRedisServer() ? false : NO_REDIS_SERVER }, async (t) => {
  const server = await startPrivateRedis()
  if (server === null) throw new Error(NO_REDIS_SERVER)
  const redis = new Redis(server.url)
  t.teardown(() => server.close())
  t.teardown(() => { redis.disconnect() })
  const rows = await judgeScript(redis, 'accuracy', HOURS, SEED)
  t.same(rows.map((row) => ({ ...row, where: '' })), judgeProcess(HOURS, SEED).map((row) => ({ ...row, where: '' })))
  t.equal(await redis.dbsize(), 0, 'no key stays')
})

t.test('the judge notices one admission too many, and one refusal too many', async (t) => {
  const times = Array.from({ length: LIMITS.perMinute + 1 }, (_, n) => 1000 + n)
  t.match(judge('', '', times, times.map(() => true)), { overAdmitted: 1, wronglyRefused: 0, worstMinute: LIMITS.perMinute + 1 })
  t.match(judge('', '', times, times.map((_, n) => n > 0 && n < LIMITS.perMinute)), { overAdmitted: 0, wronglyRefused: 2 })
})

t.test('the judge forgets a time exactly when the window has passed', async (t) => {
  const times = [...Array.from({ length: LIMITS.perMinute }, () => 0), 59_999, 60_000]
  t.match(judge('', '', times, [...times.slice(2).map(() => true), false, true]), { overAdmitted: 0, wronglyRefused: 0 })
})
