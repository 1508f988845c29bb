import { readFileSync } from 'node:fs'
import { createConfig, lintFromString } from '@redocly/openapi-core'
import t from 'tap'
import { CONSOLE_CODES, ERROR_CATALOGUE } from '../../errors.ts'
import { buildDocument } from '../../openapi/document.ts'
import { typesOf } from '../../openapi/types.ts'

const COMMITTED = 'docs/openapi.json'
const committed = readFileSync(COMMITTED, 'utf8')

const lint = async (source: string): Promise<string[]> => {
  const problems = await lintFromString({ source, absoluteRef: `${process.cwd()}/${COMMITTED}`, config: await createConfig({ extends: ['recommended-strict'], telemetry: 'off' }) })
  return problems.map(({ ruleId, message, location }) => `${ruleId}: ${message} (${String(location[0]?.pointer)})`)
}

t.test('the committed document is what the routes and schemas give, byte for byte', async (t) => {
  t.ok(`${JSON.stringify(await buildDocument(), null, 2)}\n` === committed, 'run npm run docs:openapi')
})

t.test("the client's types are what the document gives, byte for byte", async (t) => {
  t.ok(typesOf(JSON.parse(committed)) === readFileSync('clients/typescript/src/types.ts', 'utf8'), 'run npm run docs:openapi')
})

t.test('the document has no problem under the strict ruleset of Redocly, which finds one that is planted', async (t) => {
  t.same(await lint(committed), [])
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

t.test('every named field says what it means', async (t) => {
  const silent: string[] = []
  const visit = (node: unknown, at: string): void => {
    if (typeof node !== 'object' || node === null) return
    for (const [key, value] of Object.entries(node)) {
      if (key === 'properties') {
        for (const [name, schema] of Object.entries<any>(value)) {
          const isPlain = schema.description !== undefined || schema.$ref !== undefined || schema.const !== undefined
          // The severities of a count, the platforms of a remedy and the envelope speak for themselves.
          if (!isPlain && !['ok', 'data', 'high', 'medium', 'low', 'info', 'make', 'n8n', 'service', 'version', 'method', 'deleted', 'request', 'webhook', 'delivery', 'policies', 'requests', 'webhooks', 'delivery_id'].includes(name)) silent.push(`${at}/${name}`)
        }
      }
      visit(value, `${at}/${key}`)
    }
  }
  visit(JSON.parse(committed).components.schemas, '')
  t.same(silent, [])
})
