import fc from 'fast-check'
import t from 'tap'
import { parseJson } from '../../../plugins/support/json-body.ts'

const RUNS = Number(process.env['JSON_RUNS'] ?? 2000)
const parse = (text: string | Buffer): unknown => parseJson(Buffer.isBuffer(text) ? text : Buffer.from(text))
const refused = (detail: RegExp): { code: string, detail: RegExp } => ({ code: 'malformed_request', detail })

t.test('nesting: 64 levels are read, 65 are not, wherever brackets stand', async (t) => {
  const nested = (depth: number, open = '[', close = ']'): string => open.repeat(depth) + close.repeat(depth)
  t.doesNotThrow(() => parse(nested(64)))
  t.throws(() => parse(nested(65)), refused(/deeper than 64/))
  t.doesNotThrow(() => parse(`${'{"a":'.repeat(64)}1${'}'.repeat(64)}`))
  t.throws(() => parse(`${'{"a":'.repeat(65)}1${'}'.repeat(65)}`), refused(/deeper/))
  t.same(parse(JSON.stringify({ '[[[': '{'.repeat(100), b: '\\"[' })), { '[[[': '{'.repeat(100), b: '\\"[' }, 'brackets in texts do not count')
  t.throws(() => parse('['.repeat(5_000_000)), refused(/deeper/), 'and a flood of them is cut at the limit')
})

t.test('names that could reach a prototype are refused, however they are written', async (t) => {
  for (const text of ['{"__proto__":{}}', '{"a":[{"__proto__":1}]}', '{"\\u005f_proto__":{}}', '{"\\u005F\\u005fproto\\u005f_":null}', '{"constructor":{"prototype":{}}}', '{"a":{"\\u0063onstructor":{"prototype":1}}}', '{"a":1,"__proto__" :{}}']) t.throws(() => parse(text), refused(/forbidden key/), text)
  t.same(parse('{"constructor":"x","prototype":1,"toString":2,"hasOwnProperty":3}'), { constructor: 'x', prototype: 1, toString: 2, hasOwnProperty: 3 }, 'a plain value under such a name is data')
  t.equal(Object.getPrototypeOf(parse('{"a":1}')), Object.prototype)
})

t.test('a name twice in one object is refused, in others it is not', async (t) => {
  for (const text of ['{"a":1,"a":1}', '{"a":1,"\\u0061":2}', '{"b":{"a":1,"c":2,"a":3}}', '[{"":1,"":2}]', '{"1":1,"1":2}']) t.throws(() => parse(text), refused(/name twice/), text)
  t.same(parse('{"a":{"a":":"},"b":[{"a":1},{"a":"\\":"}],":":"::"}'), { a: { a: ':' }, b: [{ a: 1 }, { a: '":' }], ':': '::' })
})

t.test('texts that no store can hold are refused', async (t) => {
  for (const text of ['"\\u0000"', '{"\\u0000":1}', '"\\ud800"', '"\\udc00"', '"\\udfff"', '"a\\uDBFFb"', '"\\ude00\\ud83d"', '{"a":["\\uD83D"]}']) t.throws(() => parse(text), refused(/NUL or a lone surrogate/), text)
  t.equal(parse('"\\ud83d\\ude00 😀 \\u0001"'), '😀 😀 \u0001')
})

t.test('bytes that are not UTF-8, and a byte order mark, are refused', async (t) => {
  for (const bytes of [[0xff], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82], [0x80]]) t.throws(() => parse(Buffer.from([0x22, ...bytes, 0x22])), refused(/UTF-8/), Buffer.from(bytes).toString('hex'))
  t.throws(() => parse('\ufeff{}'), refused(/byte order mark/))
  t.throws(() => parse(Buffer.from('{}', 'utf16le')), refused(/not JSON/))
})

t.test('numbers: what is beyond all bounds is refused, what is only large is not', async (t) => {
  for (const text of ['1e999', '[-1e400]', `{"a":${'9'.repeat(400)}}`]) t.throws(() => parse(text), refused(/number is too large/), text.slice(0, 20))
  for (const text of ['NaN', 'Infinity', '01', '+1', '1.', '.5', '0x10', '1_000', '- 1']) t.throws(() => parse(text), refused(/not JSON/), text)
  t.equal(parse('1e308'), 1e308)
  t.equal(parse('1e-999'), 0)
  t.equal(parse('12345678901234567890'), Number('12345678901234567890'), 'a double, as JSON numbers are')
})

t.test('what is nearly JSON is refused', async (t) => {
  for (const text of ['', ' ', '{', '{"a":1,}', '[1,]', "{'a':1}", '{a:1}', '// x\n{}', '{}{}', '{} x', 'undefined', '"a\nb"', '"\\x41"', '\u00a0{}']) {
    if (text === '') t.equal(parse(text), undefined, 'no body is no value')
    else t.throws(() => parse(text), refused(/not JSON/), JSON.stringify(text))
  }
})

t.test(`${RUNS} random values come back as they were`, async (t) => {
  fc.assert(fc.property(fc.jsonValue({ maxDepth: 6 }), fc.boolean(), (value, isSpaced) => {
    const text = JSON.stringify(value, null, isSpaced ? 2 : undefined)
    if (/__proto__|\\u(?:0000|d[89a-f])/i.test(text)) return
    t.same(JSON.stringify(parse(text)), JSON.stringify(JSON.parse(text)))
  }), { numRuns: RUNS })
})
