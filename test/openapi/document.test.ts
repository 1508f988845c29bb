import { readFileSync } from 'node:fs'
import { createConfig, lintFromString } from '@redocly/openapi-core'
import t from 'tap'
import { CONSOLE_CODES, ERROR_CATALOGUE } from '../../errors.ts'
import { buildDocument } from '../../openapi/document.ts'
import { CONSOLE, PARTNER } from '../../openapi/surfaces.ts'
import { typesOf } from '../../openapi/types.ts'

const committed = readFileSync(PARTNER.file, 'utf8')
const ofConsole = readFileSync(CONSOLE.file, 'utf8')

const lint = async (source: string): Promise<string[]> => {
  const problems = await lintFromString({ source, absoluteRef: `${process.cwd()}/${PARTNER.file}`, config: await createConfig({ extends: ['recommended-strict'], telemetry: 'off' }) })
  return problems.map(({ ruleId, message, location }) => `${ruleId}: ${message} (${String(location[0]?.pointer)})`)
}

t.test('the committed documents are what the routes and schemas give, byte for byte', async (t) => {
  for (const surface of [PARTNER, CONSOLE]) t.ok(`${JSON.stringify(await buildDocument(surface), null, 2)}\n` === readFileSync(surface.file, 'utf8'), `${surface.file}: run npm run docs:openapi`)
})

t.test("the client's types are what the document gives, byte for byte", async (t) => {
  t.ok(typesOf(JSON.parse(committed)) === readFileSync('clients/typescript/src/types.ts', 'utf8'), 'run npm run docs:openapi')
})

t.test('the documents have no problem under the strict ruleset of Redocly, which finds one that is planted', async (t) => {
  t.same(await lint(committed), [])
  t.same(await lint(ofConsole), [])
  const planted = JSON.parse(committed)
  delete planted.paths['/api/public/v1/evaluate'].post.operationId
  planted.paths['/api/public/v1/evaluate'].post.security = [{ nothing: [] }]
  planted.components.responses['Refusal400'].content['application/json'].examples.malformed_request.value.ok = 'no'
  t.match((await lint(JSON.stringify(planted))).map((problem) => problem.split(':')[0]).sort(), ['no-invalid-media-type-examples', 'no-invalid-media-type-examples', 'operation-operationId', 'security-defined'])
})

t.test('every refusal stands in the introduction with its status, sentence and code', async (t) => {
  const { info } = JSON.parse(committed)
  for (const [code, { status, sentence }] of Object.entries(ERROR_CATALOGUE)) t.equal(info.description.includes(`| ${status} | \`${sentence}\` | \`${code}\` |`), !CONSOLE_CODES.some((one) => one === code), code)
})

t.test('a partner reads of nothing that is of the console, a person of no signature', async (t) => {
  t.notMatch(committed, /"\/api\/v1\/|next-auth|ConsoleKey/)
  t.notMatch(ofConsole, /X-FB-Signature|api\/public\/v1\/evaluate/)
  for (const code of CONSOLE_CODES) t.match(JSON.parse(ofConsole).info.description, `| \`${code}\` |`)
})

t.test('every named field says what it means', async (t) => {
  const silent: string[] = []
  const visit = (node: unknown, at: string): void => {
    if (typeof node !== 'object' || node === null) return
    for (const [key, value] of Object.entries(node)) {
      if (key === 'properties') {
        for (const [name, schema] of Object.entries<any>(value)) {
          const isPlain = schema.description !== undefined || schema.$ref !== undefined || schema.const !== undefined
          // The severities of a count, the platforms of a remedy and the envelope speak for themselves.
          if (!isPlain && !['ok', 'data', 'high', 'medium', 'low', 'info', 'make', 'n8n', 'service', 'version', 'method', 'deleted', 'request', 'webhook', 'delivery', 'policies', 'requests', 'webhooks', 'delivery_id', 'keys'].includes(name)) silent.push(`${at}/${name}`)
        }
      }
      visit(value, `${at}/${key}`)
    }
  }
  for (const document of [committed, ofConsole]) visit(JSON.parse(document).components.schemas, '')
  t.same(silent, [])
})
