/**
 * Where in a JSON text a pointer's value begins, so that a finding can name a line. One pass over the text without recursion;
 * only the wanted pointers are kept. What stands inside an embedded JSON string has no line of its own: its nearest parent has.
 */
export interface Position {
  /** From 1. */
  line: number
  /** From 1, in UTF-16 code units. */
  column: number
}

interface Level {
  pointer: string
  /** Next index of an array; -1 for an object. */
  index: number
  /** Name of the member being read; null before the first. */
  name: string | null
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const NEWLINE = 0x0a
const OPEN_BRACE = 0x7b
const OPEN_BRACKET = 0x5b
const CLOSE_BRACE = 0x7d
const CLOSE_BRACKET = 0x5d
const COMMA = 0x2c
const COLON = 0x3a

/** Positions of the pointers (RFC 6901), each of its value or of the nearest parent that is there. `text` must be valid JSON. */
export function locate (text: string, pointers: readonly string[]): Map<string, Position> {
  const wanted = new Set(pointers.flatMap(withParents))
  const offsets = offsetsOf(text, wanted)
  const found = new Map<string, Position>()
  const lines = lineStarts(text)
  for (const pointer of new Set(pointers)) {
    const nearest = withParents(pointer).find((one) => offsets.has(one))
    const offset = nearest === undefined ? undefined : offsets.get(nearest)
    if (offset !== undefined) found.set(pointer, positionAt(lines, offset))
  }
  return found
}

/** The pointer, its parent, and so on up to the document. */
function withParents (pointer: string): string[] {
  const chain = [pointer]
  for (let end = pointer.lastIndexOf('/'); end >= 0; end = pointer.lastIndexOf('/', end - 1)) {
    chain.push(pointer.slice(0, end))
    if (end === 0) break
  }
  return chain
}

function offsetsOf (text: string, wanted: ReadonlySet<string>): Map<string, number> {
  const offsets = new Map<string, number>()
  const levels: Level[] = []
  let isName = false
  for (let i = text.charCodeAt(0) === 0xfeff ? 1 : 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    const level = levels.at(-1)
    switch (code) {
      case CLOSE_BRACE: case CLOSE_BRACKET: levels.pop(); isName = false; continue
      case COMMA: isName = level?.index === -1; continue
      case COLON: case 0x20: case 0x09: case NEWLINE: case 0x0d: continue
    }
    if (isName && level !== undefined) {
      const end = endOfString(text, i)
      level.name = nameIn(text, i, end)
      isName = false
      i = end
      continue
    }
    const pointer = pointerHere(level)
    // Of a repeated name the last value counts, as it does for the parser.
    if (wanted.has(pointer)) offsets.set(pointer, i)
    if (code === OPEN_BRACE || code === OPEN_BRACKET) {
      isName = code === OPEN_BRACE
      levels.push({ pointer, index: isName ? -1 : 0, name: null })
    } else {
      i = code === QUOTE ? endOfString(text, i) : endOfScalar(text, i)
    }
  }
  return offsets
}

function pointerHere (level: Level | undefined): string {
  if (level === undefined) return ''
  if (level.index >= 0) return `${level.pointer}/${level.index++}`
  return `${level.pointer}/${(level.name ?? '').replaceAll('~', '~0').replaceAll('/', '~1')}`
}

/** Offset of the closing quote of the string that opens at `from`. */
function endOfString (text: string, from: number): number {
  let i = from + 1
  while (i < text.length && text.charCodeAt(i) !== QUOTE) i += text.charCodeAt(i) === BACKSLASH ? 2 : 1
  return i
}

/** Offset of the last character of a number or word. */
function endOfScalar (text: string, from: number): number {
  let i = from
  while (i + 1 < text.length && /[^\s,\]}]/.test(text.charAt(i + 1))) i++
  return i
}

function nameIn (text: string, from: number, end: number): string {
  const raw = text.slice(from + 1, end)
  return raw.includes('\\') ? String(JSON.parse(`"${raw}"`)) : raw
}

function lineStarts (text: string): number[] {
  const starts = [0]
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1)
  return starts
}

function positionAt (lines: readonly number[], offset: number): Position {
  let low = 0
  let high = lines.length - 1
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if ((lines[middle] ?? 0) <= offset) low = middle
    else high = middle - 1
  }
  return { line: low + 1, column: offset - (lines[low] ?? 0) + 1 }
}
