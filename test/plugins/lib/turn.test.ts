import { execFileSync } from 'node:child_process'
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

const TURN = new URL('../../../plugins/lib/turn.js', import.meta.url).href
/** Prints the least processor time of a tick, in nanoseconds, of some thousands made after so many full collections that found none of them alive. */
const TICKS_AFTER_COLLECTIONS = `
import { setTimeout as wait } from 'node:timers/promises'
const [, module, collections] = process.argv
const ticks = (count) => new Promise((resolve) => { const next = () => { count-- > 0 ? process.nextTick(next) : resolve() }; process.nextTick(next) })
if (module !== '') await import(module)
await ticks(300)
for (let left = Number(collections); left > 0; left--) { await wait(5); globalThis.gc() }
await ticks(200_000)
let least = Infinity
for (let sample = 0; sample < 10; sample++) {
  const before = process.cpuUsage()
  await ticks(50_000)
  const { user, system } = process.cpuUsage(before)
  least = Math.min(least, (user + system) / 50)
}
process.stdout.write(String(least))`

function nanosecondsOfTick (module: string, collections: number): number {
  return Number(execFileSync(process.execPath, ['--expose-gc', '--input-type=module', '-e', TICKS_AFTER_COLLECTIONS, module, String(collections)], { encoding: 'utf8' }))
}

t.test('ticks stay as fast as they were when a full collection finds none alive', async (t) => {
  const [fresh, without, kept] = [nanosecondsOfTick('', 0), nanosecondsOfTick('', 10), nanosecondsOfTick(TURN, 10)]
  t.comment(`a tick takes ${Math.round(fresh)} ns in a fresh process; after collections ${Math.round(without)} ns, and ${Math.round(kept)} ns with one kept`)
  // Where none is kept it is five times as much.
  t.ok(kept < 3 * fresh, 'no more than a machine\'s noise')
})
