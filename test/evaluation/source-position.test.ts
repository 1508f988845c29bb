import fc from 'fast-check'
import t from 'tap'
import { locate } from '../../evaluation/source-position.ts'

function pointersOf (value: unknown, pointer = ''): string[] {
  if (typeof value !== 'object' || value === null) return [pointer]
  return [pointer, ...Object.entries(value).flatMap(([name, held]) => pointersOf(held, `${pointer}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`))]
}

function valueAt (document: unknown, pointer: string): unknown {
  return pointer.split('/').slice(1).reduce<unknown>((value, part) => (value as Record<string, unknown>)[part.replaceAll('~1', '/').replaceAll('~0', '~')], document)
}

t.test('every pointer of any document is found at its value', async (t) => {
  fc.assert(fc.property(fc.jsonValue({ maxDepth: 5 }), fc.constantFrom(0, 2), (document, indent) => {
    const text = JSON.stringify(document, null, indent)
    const parsed: unknown = JSON.parse(text)
    const pointers = pointersOf(parsed)
    const found = locate(text, pointers)
    for (const pointer of pointers) {
      const { line = 0, column = 0 } = found.get(pointer) ?? {}
      const rest = text.split('\n').slice(line - 1).join('\n').slice(column - 1)
      const value = valueAt(parsed, pointer)
      const scalar = typeof value === 'object' && value !== null ? (Array.isArray(value) ? '[' : '{') : JSON.stringify(value)
      if (!rest.startsWith(scalar)) throw new Error(`${pointer} at ${line}:${column}`)
    }
  }), { numRuns: 500 })
  t.pass('500 documents')
})

t.test('what has no place of its own is found at its nearest parent', async (t) => {
  const text = '\ufeff{\n  "blueprint": "{\\"flow\\":[]}"\n}'
  t.same(locate(text, ['/blueprint/flow/0', '/none', '']), new Map([
    ['/blueprint/flow/0', { line: 2, column: 16 }], ['/none', { line: 1, column: 2 }], ['', { line: 1, column: 2 }]]))
})

t.test('of a repeated name the last value counts, and a quote or bracket in a text is no structure', async (t) => {
  const text = '{"a":"]}\\"{",\n"a":\n[1,\n{"b":null}]}'
  t.same(locate(text, ['/a/1/b']).get('/a/1/b'), { line: 4, column: 6 })
})

t.test('a deep document is located without a stack', async (t) => {
  const text = `${'['.repeat(50_000)}${']'.repeat(50_000)}`
  t.same(locate(text, ['/0/0']).get('/0/0'), { line: 1, column: 3 })
})
