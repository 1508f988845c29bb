import t from 'tap'
import { findMarks, type FoundMarks } from '../../bin/fb/marks.ts'
import { mintRef } from '../../plugins/lib/finding-ref.ts'
import { mintWatermark } from '../../plugins/lib/watermark-id.ts'

const secret = Buffer.alloc(32, 5)
const mark = mintWatermark(secret)
const ref = mintRef(mark, 'f', secret)

async function find (text: string, chunkChars = text.length): Promise<FoundMarks> {
  async function * chunks (): AsyncGenerator<string> {
    for (let at = 0; at < text.length; at += chunkChars) yield text.slice(at, at + chunkChars)
  }
  return await findMarks(chunks())
}

t.test('marks are found wherever they stand, once each', async (t) => {
  for (const text of [mark, `"watermark":"${mark}"`, `(${mark})`, `see ${mark}.`, `${mark},${mark}`, `x-fb-watermark: ${mark}\r\n`, `<td>${mark}</td>`]) t.same((await find(text)).marks, [mark], text)
  t.same((await find(`${ref} and ${mark}`)).marks, [ref, mark])
})

t.test('a mark is put together again when it was broken, escaped or sprinkled', async (t) => {
  const cut = (at: number, between: string): string => mark.slice(0, at) + between + mark.slice(at)
  for (const text of [cut(20, '\n'), cut(20, '\r\n   '), cut(10, '"\n> "'), cut(20, ' '), cut(8, '\u200b'), cut(30, '\u00ad'), mark.replace('_', '\\_'), mark.replace('_', '&#95;'), mark.replace('_', '&lowbar;'), mark.replace('_', '%5F')]) {
    t.ok((await find(`before ${text} after`)).marks.includes(mark), JSON.stringify(text))
  }
})

t.test('what only looks like a mark is not one', async (t) => {
  for (const [at, text] of ['', 'wm_', `wm_${'a'.repeat(35)}`, 'fb_live_', 'fb_live_abc', `FB_LIVE_${'ab'.repeat(24)}`, 'vr_short'].entries()) t.same((await find(text)).marks, [], `text ${at}`)
})

t.test('a mark that escaped text joined to its neighbours is found, and held apart from what stands alone', async (t) => {
  for (const text of [`{\\"a\\":\\"\\n${mark}\\n`, `q=%22${mark}%22`, `\\u0022${mark}\\u0022`, `_${mark}`, `${mark}and`, `wm_${mark}`]) {
    const { marks, rejoined } = await find(text)
    t.ok(marks.includes(mark) && rejoined.has(mark), text)
  }
  t.same([...(await find(`{"a":"${mark}"}`)).rejoined], [])
})

t.test('a text of 16-bit characters, and a mark in capitals, are read', async (t) => {
  const wide = Buffer.from(`\ufeffsaw ${mark} here`, 'utf16le').toString('utf8')
  t.same((await find(wide)).marks, [mark])
  t.same((await find(mark.toUpperCase())).marks, [mark.toUpperCase()])
})

t.test('of a key the prefix is kept and no more, and a whole key is reported as leaked', async (t) => {
  const key = `fb_live_${'0123456789abcdef'.repeat(3)}`
  const found = await find(`Authorization: Bearer ${key}; also fb_live_beef`)
  t.same(found.marks, ['fb_live_0123', 'fb_live_beef'])
  t.same(found.wholeKeys, ['fb_live_0123'])
  t.notMatch(JSON.stringify(found), /fb_live_[0-9a-f]{5}/)
})

t.test('a text in pieces of any size gives the same marks, and memory is bounded by the marks', async (t) => {
  const marks = Array.from({ length: 200 }, () => mintWatermark(secret))
  const text = marks.map((one, n) => `${'lorem ipsum '.repeat(n % 50)}${one}`).join('\n')
  for (const chunkChars of [1, 7, 40, 513, 4096, text.length]) t.same(new Set((await find(text, chunkChars)).marks.filter((one) => marks.includes(one))), new Set(marks), `${chunkChars} characters`)
})
