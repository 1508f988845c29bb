/** One line changed so that one promise no longer holds, and the tests that must notice. */
export interface Defect {
  /** Short and unique, for `--only`. */
  readonly name: string
  readonly file: string
  /** The whole line as it stands, without its indentation; exactly once in the file. */
  readonly line: string
  /** What stands there instead; empty for a line that is gone. */
  readonly instead: string
  /** The promise that it breaks. */
  readonly breaks: string
  /** Test files of which at least one must fail. */
  readonly tests: readonly string[]
}

// Where the line stands in a text: its first character and the one after its last. Throws unless there is exactly one such line.
export function placeOf ({ name, file, line }: Pick<Defect, 'name' | 'file' | 'line'>, text: string): { from: number, to: number } {
  const places: Array<{ from: number, to: number }> = []
  let from = 0
  for (const whole of text.split('\n')) {
    const indent = whole.length - whole.trimStart().length
    if (whole.trim() === line) places.push({ from: from + indent, to: from + whole.length })
    from += whole.length + 1
  }
  const [place] = places
  if (place === undefined || places.length > 1) throw new Error(`${name}: the line stands ${places.length} times in ${file}, not once: ${line}`)
  return place
}

export function planted (defect: Defect, text: string): string {
  const { from, to } = placeOf(defect, text)
  return text.slice(0, from) + defect.instead + text.slice(to)
}
