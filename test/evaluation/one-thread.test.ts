import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import { oneThread } from '../../evaluation/one-thread.ts'

const file = join(t.testdir({}), 'thread.mjs')
writeFileSync(file, `import { parentPort } from 'node:worker_threads'
parentPort.on('message', ({ id, what, told }) => {
  if (what === 'hang') for (;;) Math.random()
  if (what === 'die') process.exit(3)
  if (what === 'throw') throw new Error('CANARY')
  if (what === 'ask') parentPort.postMessage({ id, ask: 'name' })
  else parentPort.postMessage({ id, said: told ?? what })
})`)
const start = (deadlineMs = 60_000): ReturnType<typeof oneThread> => {
  const thread = oneThread({ url: pathToFileURL(file), deadlineMs })
  t.teardown(() => thread.close())
  return thread
}

t.test('answers each job in order', async (t) => {
  const thread = start()
  const outcomes = await Promise.all(['a', 'b', 'c'].map((what) => thread.run({ what })))
  t.same(outcomes.map(({ answer }) => answer?.['said']), ['a', 'b', 'c'])
})

t.test('is asked back, and the answer goes on', async (t) => {
  const thread = start()
  const outcome = await thread.run({ what: 'ask' }, async (ask) => ({ told: `${String(ask)} is known` }))
  t.equal(outcome.answer?.['said'], 'name is known')
})

t.test('a job that cannot be answered fails, and the next one has a thread', async (t) => {
  const thread = start()
  await t.rejects(thread.run({ what: 'ask' }, async () => { throw new Error('store away') }), { message: 'store away' })
  t.equal((await thread.run({ what: 'next' })).answer?.['said'], 'next')
})

t.test('a thread that hangs or dies is replaced, and only its job is lost', async (t) => {
  const thread = start(5000)
  const outcomes = await Promise.all(['hang', 'a', 'die', 'b', 'throw', 'c'].map((what) => thread.run({ what })))
  t.same(outcomes.map(({ lost, answer }) => lost ?? answer['said']), ['late', 'a', 'died', 'b', 'died', 'c'])
})
