import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { loadConfig } from '../../config.ts'
import { BODY_BYTES_MAX } from '../../plugins/signature.ts'
import { HEADER_BYTES_MAX, LINGER_BYTES_MAX, LINGER_MS } from '../../plugins/support/http-edge.ts'
import { DEPTH_MAX } from '../../plugins/support/json-body.ts'
import { HEADERS_MAX, TARGET_CHARS_MAX } from '../../plugins/transport.ts'

t.test('the documented caps and deadlines are those of the code', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'flowbeacon-docs-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const config = loadConfig({ DATA_DIR: folder })
  const table = /<!-- edge -->\n([^]*?)<!-- \/edge -->/.exec(readFileSync('docs/operations.md', 'utf8'))?.[1] ?? ''
  const documented = Object.fromEntries([...table.matchAll(/^\| ([a-z][^|]*) \| (\d+) \|/gm)].map(([, what, value]) => [what, Number(value)]))
  t.same(documented, {
    'request line and headers, bytes': HEADER_BYTES_MAX,
    'header lines': HEADERS_MAX,
    'request target, characters': TARGET_CHARS_MAX,
    'body, bytes': BODY_BYTES_MAX,
    'nesting of a body': DEPTH_MAX,
    'headers complete within, ms': config.headersTimeoutMs,
    'body complete within, ms': config.bodyDeadlineMs,
    'whole request within, ms': config.requestTimeoutMs,
    'idle between two requests, ms': config.keepAliveTimeoutMs,
    'read and thrown away after an early answer, bytes': LINGER_BYTES_MAX,
    'and no longer than, ms': LINGER_MS
  })
})
