/**
 * Finds marks in any text, as it streams past: a log, a chat, the text of a screenshot, an answer with its end cut off. A mark is also found
 * when it was broken over lines, escaped for HTML or Markdown, or sprinkled with invisible characters, as long as one reading of it is
 * possible. Memory is bounded by the number of different marks, not by the length of the text.
 */
/** NUL as well: a text of 16-bit characters, such as a log of Windows, is read as one of 8-bit characters. */
// eslint-disable-next-line no-control-regex
const INVISIBLE = /[\u0000\u00ad\u200b-\u200f\u2060\ufeff]/g
const UNDERSCORES = /\\_|&#0*95;|&#x0*5f;|&lowbar;|%5f/gi
/** In any case of letters, since a mark that was altered is to be called forged and not passed over. */
const MARK = /[wW][mM]_[0-9a-zA-Z]{36}|[vV][rR]_[0-9a-zA-Z]{44}|fb_live_[0-9a-f]{4}[0-9a-f]*/g
/** What stands before or after a mark that was cut out of nothing longer. */
const JOINED = /[0-9a-z_]/i
const BROKEN = /(?<![0-9a-z_])(wm|vr)_((?:[0-9a-z][\s"'>|]*){1,120})/g
const BODY_CHARS = { wm: 36, vr: 44 } as const
const PREFIX_CHARS = 12
const KEY_CHARS = 56
/** Longest stretch of text in which one mark can lie, breaks included. */
const OVERLAP_CHARS = 512
const MARKS_MAX = 100_000

export interface FoundMarks {
  /** Different marks in the order of their first appearance; of a key its first 12 characters. */
  readonly marks: string[]
  /** Prefixes of keys that stand in the text as a whole: they leaked. */
  readonly wholeKeys: string[]
  /** Marks that were put together from pieces, or stand in a longer word; one whose MAC does not hold need not have been one. */
  readonly rejoined: ReadonlySet<string>
  /** True when there were more different marks than are kept. */
  readonly isCut: boolean
}

export async function findMarks (chunks: AsyncIterable<string>, onChars: (chars: number) => void = () => {}): Promise<FoundMarks> {
  const marks = new Set<string>()
  const wholeKeys = new Set<string>()
  const rejoined = new Set<string>()
  let isCut = false
  let chars = 0
  let carried = ''

  function keep (mark: string): boolean {
    if (marks.has(mark)) return false
    if (marks.size >= MARKS_MAX) {
      isCut = true
      return false
    }
    marks.add(mark)
    return true
  }

  /** What starts before `limit` is complete; what starts after it may go on in the next chunk. */
  function scan (text: string, limit: number): void {
    for (const { 0: mark, index } of text.matchAll(MARK)) {
      if (index >= limit) break
      if (!mark.startsWith('fb_live_')) {
        // Escaped text joins it to its neighbour (\nwm_…, %22wm_…); so may be chance, in a longer word.
        if (keep(mark) && (JOINED.test(text.charAt(index - 1)) || JOINED.test(text.charAt(index + mark.length)))) rejoined.add(mark)
      } else {
        keep(mark.slice(0, PREFIX_CHARS))
        if (mark.length >= KEY_CHARS) wholeKeys.add(mark.slice(0, PREFIX_CHARS))
      }
    }
    for (const { 1: kind, 2: pieces = '', index } of text.matchAll(BROKEN)) {
      if (index >= limit) break
      if ((kind !== 'wm' && kind !== 'vr') || !/[\s"'>|]/.test(pieces.trimEnd())) continue
      const body = pieces.replace(/[^0-9a-z]/g, '').slice(0, BODY_CHARS[kind])
      const mark = `${kind}_${body}`
      if (body.length === BODY_CHARS[kind] && keep(mark)) rejoined.add(mark)
    }
  }

  for await (const chunk of chunks) {
    chars += chunk.length
    onChars(chars)
    const text = (carried + chunk).replace(INVISIBLE, '').replace(UNDERSCORES, '_')
    const limit = Math.max(0, text.length - OVERLAP_CHARS)
    scan(text, limit)
    // One character more, so that what stands before a mark is still seen.
    carried = text.slice(Math.max(0, limit - 1))
  }
  scan(carried, carried.length)
  return { marks: [...marks], wholeKeys: [...wholeKeys], rejoined, isCut }
}
