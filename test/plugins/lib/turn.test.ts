import { setImmediate as endOfTurn } from 'node:timers/promises'
import t from 'tap'
import { atTurnEnd, together } from '../../../plugins/lib/turn.ts'

t.test('what one turn brings goes step by step, and its end comes once, after all steps', async (t) => {
  const seen: string[] = []
  for (const name of ['a', 'b', 'c']) {
    together(() => {
      seen.push(`${name} first`)
      together(() => {
        seen.push(`${name} second`)
        if (name === 'a') atTurnEnd(() => seen.push('end'))
      })
    })
  }
  atTurnEnd(() => seen.push('early end'))
  t.same(seen, [], 'nothing runs before what has arrived is read')
  await endOfTurn()
  t.same(seen, ['a first', 'b first', 'c first', 'a second', 'b second', 'c second', 'early end', 'end'])
})

t.test('what the end brings is for the next turn', async (t) => {
  const seen: string[] = []
  atTurnEnd(() => {
    seen.push('end')
    together(() => seen.push('next'))
    atTurnEnd(() => seen.push('next end'))
  })
  await endOfTurn()
  t.same(seen, ['end'])
  await endOfTurn()
  t.same(seen, ['end', 'next', 'next end'])
})

t.test('a task that throws takes no other with it', async (t) => {
  const seen: string[] = []
  const thrown = new Promise((resolve) => { process.once('uncaughtException', resolve) })
  together(() => { throw new Error('broken') })
  together(() => seen.push('other'))
  atTurnEnd(() => seen.push('end'))
  t.match(await thrown, { message: 'broken' })
  await endOfTurn()
  t.same(seen, ['other', 'end'])
})

t.test('the end alone runs without work', async (t) => {
  let isEnded = false
  atTurnEnd(() => { isEnded = true })
  await endOfTurn()
  t.ok(isEnded)
})
