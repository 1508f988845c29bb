import t from 'tap'
import { connectionTally } from '../../evaluation/connection-tally.ts'

const plain = { writes: false, consequential: false }

t.test('tells what all scenarios do with a connection, to each that shares it', async (t) => {
  const tally = connectionTally()
  tally.add(2, 'make', new Map([['5', { writes: true, consequential: false }], ['6', plain]]))
  tally.add(0, 'make', new Map([['5', { writes: false, consequential: true }]]))
  tally.add(1, 'n8n', new Map([['5', plain], ['6', plain]]))
  const shared = { 5: { scenarios: 2, writes: true, consequential: true } }
  t.same([...tally.reaches(10)], [[0, shared], [2, shared]], 'n8n counts its own numbers')
})

t.test('leaves out what can change no judgement', async (t) => {
  const tally = connectionTally()
  for (let scenario = 0; scenario < 3; scenario++) tally.add(scenario, 'n8n', new Map([['a', plain]]))
  t.equal(tally.reaches(4).size, 0)
  t.equal(tally.reaches(3).size, 3)
})
