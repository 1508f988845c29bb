import t from 'tap'
import { undoLater } from '../../../plugins/support/redis-undo.ts'

t.test('tries again until the use was given back: a server that hung may do late what it was sent', { timeout: 10_000 }, async (t) => {
  const asked: string[] = []
  const answers: Array<() => unknown> = [() => { throw new Error('away') }, () => 0, () => 1]
  const hold = setInterval(() => {}, 1000)
  await new Promise<void>((resolve) => {
    undoLater(async (key, taker) => {
      asked.push(`${key} ${taker}`)
      const done = answers.shift()?.()
      if (done === 1) resolve()
      return done
    }).add('fb:t:1', 'me')
  })
  clearInterval(hold)
  t.same(asked, ['fb:t:1 me', 'fb:t:1 me', 'fb:t:1 me'])
})

t.test('tries all at once when the server is heard again, and forgets what was given back', async (t) => {
  const asked: string[] = []
  const undoer = undoLater(async (_key, taker) => asked.push(taker) > 0 ? 1 : 0)
  undoer.add('fb:t:1', 'one')
  undoer.add('fb:t:2', 'two')
  undoer.flush()
  await new Promise((resolve) => setImmediate(resolve))
  undoer.flush()
  t.same(asked, ['one', 'two'])
})
