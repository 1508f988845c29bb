import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import t from 'tap'
import { CircuitOpenError, createCircuit, SilenceError, type CircuitState } from '../../../plugins/support/circuit.ts'

const fail = (message: string) => async (): Promise<never> => { throw new Error(message) }

// A circuit whose probe is answered by hand, and everything it said.
function underTest (options: { failuresMax?: number, inFlightMax?: number } = {}) {
  const probes: Array<{ resolve: () => void, reject: (err: Error) => void }> = []
  const seen: CircuitState[] = []
  let asked: () => void = () => {}
  const circuit = createCircuit({
    ...options,
    probeEveryMs: 1,
    deadlineMs: 200,
    probe: () => new Promise<void>((resolve, reject) => {
      probes.push({ resolve, reject })
      asked()
    }),
    onChange: (state) => { seen.push(state) }
  })
  const nextProbe = async (): Promise<{ resolve: () => void, reject: (err: Error) => void }> => {
    const hold = setInterval(() => {}, 1000)
    if (probes.length === 0) await new Promise<void>((resolve) => { asked = resolve })
    clearInterval(hold)
    const probe = probes.shift()
    if (probe === undefined) throw new Error('no probe')
    return probe
  }
  return { circuit, seen, probes, nextProbe }
}

async function socketPair (): Promise<[Socket, Socket]> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const here = connect(port, '127.0.0.1')
  const [there] = await once(server, 'connection') as [Socket]
  server.close()
  return [here, there]
}

t.test('the fifth failure in a row opens it, and from then on nothing is asked', async (t) => {
  const { circuit } = underTest()
  t.teardown(() => circuit.stop())
  for (let n = 0; n < 4; n++) await t.rejects(circuit.run(fail('away')), { message: 'away' })
  t.equal(circuit.state, 'closed')
  t.equal(await circuit.run(async () => 'there'), 'there')
  for (let n = 0; n < 5; n++) await t.rejects(circuit.run(fail('away')), { message: 'away' })
  t.not(circuit.state, 'closed')
  let calls = 0
  await t.rejects(circuit.run(async () => calls++), CircuitOpenError)
  t.equal(calls, 0)
})

t.test('silence opens it at the first, so that a store which hangs costs one deadline', async (t) => {
  const { circuit } = underTest()
  t.teardown(() => circuit.stop())
  await t.rejects(circuit.run(async () => await new Promise(() => {})), SilenceError)
  t.not(circuit.state, 'closed')
})

t.test('a process that was held up itself reads what has arrived before it calls the store silent', async (t) => {
  const { circuit } = underTest()
  const [here, there] = await socketPair()
  t.teardown(() => [here, there].forEach((socket) => socket.destroy()))
  const holdUp = (): void => { for (const until = performance.now() + 300; performance.now() < until;); }
  for (const pauses of [[holdUp, () => there.write('x')], [() => there.write('y'), holdUp]]) {
    const answer = circuit.run(() => new Promise((resolve) => here.once('data', resolve)))
    for (const pause of pauses) {
      pause()
      await new Promise((resolve) => setImmediate(resolve))
    }
    t.match(String(await answer), /^[xy]$/)
  }
  t.equal(circuit.state, 'closed')
})

t.test('an error of the question is none of the store', async (t) => {
  const { circuit } = underTest({ failuresMax: 1 })
  await t.rejects(circuit.run(async () => { throw new RangeError('a limit of 0') }), RangeError)
  t.equal(circuit.state, 'closed')
})

t.test('one question at a time finds the store again; no caller waits for it', async (t) => {
  const { circuit, seen, probes, nextProbe } = underTest({ failuresMax: 1 })
  await t.rejects(circuit.run(fail('away')))
  const first = await nextProbe()
  t.equal(circuit.state, 'half-open')
  await t.rejects(circuit.run(async () => 'there'), CircuitOpenError)
  t.equal(probes.length, 0, 'no second question while one is open')
  first.reject(new Error('still away'))
  const second = await nextProbe()
  second.resolve()
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(circuit.state, 'closed')
  t.same(seen, ['open', 'half-open', 'open', 'half-open', 'closed'])
  t.equal(await circuit.run(async () => 'there'), 'there')
})

t.test('what was begun before it closed again says nothing of the store as it is now', async (t) => {
  const { circuit, nextProbe } = underTest({ failuresMax: 1 })
  let fail: (err: Error) => void = () => {}
  const late = circuit.run(() => new Promise<never>((_resolve, reject) => { fail = reject }))
  await t.rejects(circuit.run(async () => { throw new Error('away') }))
  ;(await nextProbe()).resolve()
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(circuit.state, 'closed')
  fail(new SilenceError())
  await t.rejects(late)
  t.equal(circuit.state, 'closed')
})

t.test('what is under way at once is bounded, and the bound opens nothing', async (t) => {
  const { circuit } = underTest({ failuresMax: 1, inFlightMax: 2 })
  let finish: () => void = () => {}
  const hold = new Promise<void>((resolve) => { finish = resolve })
  const under = [circuit.run(() => hold), circuit.run(() => hold)]
  await t.rejects(circuit.run(async () => {}), CircuitOpenError)
  t.equal(circuit.state, 'closed')
  finish()
  await Promise.all(under)
  await circuit.run(async () => {})
})

t.test('a bound that bounds nothing is refused', async (t) => {
  for (const failuresMax of [0, -1, 1.5, Number.NaN]) t.throws(() => createCircuit({ probe: async () => {}, failuresMax }), RangeError)
})
