import t from 'tap'
import { assertOptions, BOOLEAN, bytes, FUNCTION, OBJECT, port, positiveWhole, required, TEXT, type OptionRule } from '../../../plugins/lib/options.ts'

const said = (options: object, rules: Record<string, OptionRule>): string | null => {
  try {
    assertOptions<Record<string, unknown>>('layer', options as Record<string, unknown>, rules)
    return null
  } catch (err) {
    return String(err)
  }
}

t.test('an option that is missing, wrong or misspelt is named with what it must be', async (t) => {
  const rules = { keys: required(port('a KeyStore', 'find')), isOn: BOOLEAN }
  t.equal(said({ keys: { find () {} } }, rules), null)
  t.equal(said({ keys: { find () {} }, isOn: undefined }, rules), null, 'what is undefined is not given')
  t.equal(said({}, rules), 'TypeError: layer: the option keys must be a KeyStore: an object with find, and was not given')
  t.equal(said({ keys: { find () {} }, isOn: 'false' }, rules), 'TypeError: layer: the option isOn must be true or false')
  t.equal(said({ keys: { find () {} }, isOff: true }, rules), 'TypeError: layer: there is no option isOff; there are keys, isOn')
  t.equal(said({ any: 1 }, {}), 'TypeError: layer: there is no option any; this layer takes none')
})

t.test('each rule holds for what it says and for nothing else', async (t) => {
  const rules: ReadonlyArray<[OptionRule, readonly unknown[], readonly unknown[]]> = [
    [BOOLEAN, [true, false], ['true', 0, null]],
    [FUNCTION, [() => 1], [{}, null]],
    [OBJECT, [{}], [null, 'x']],
    [TEXT, ['x'], ['', 1, null]],
    [positiveWhole('bytes'), [1, 2 ** 53 - 1], [0, -1, 1.5, NaN, Infinity, '1', null]],
    [positiveWhole('lines', 2000), [1, 1999], [2000]],
    [bytes(32), [Buffer.alloc(32)], [Buffer.alloc(31), 'x'.repeat(32), new Uint8Array(32)]],
    [port('a store', 'get', 'set'), [{ get () {}, set () {} }], [{ get () {} }, { get: 1, set: 1 }, null, 1]]
  ]
  for (const [{ be, holds }, right, wrong] of rules) {
    for (const value of right) t.equal(holds(value), true, `${be}: ${String(value)}`)
    for (const value of wrong) t.equal(holds(value), false, `${be}: ${String(value)}`)
  }
})
