import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { rulesDocument } from '../../../evaluation/rules/document.ts'
import { CATALOGUE_VERSION, POLICIES } from '../../../evaluation/rules/index.ts'

t.test('docs/rules.md is what the catalogue says (npm run docs:rules)', async (t) => {
  const documented = readFileSync(fileURLToPath(new URL('../../../../docs/rules.md', import.meta.url)), 'utf8')
  t.ok(documented === rulesDocument(POLICIES, CATALOGUE_VERSION), 'run npm run docs:rules')
})

t.test('every rule explains itself and says how it is mended', async (t) => {
  for (const { code, description, rationale, detection, remediation } of POLICIES) {
    for (const text of [description, rationale, detection, ...Object.values(remediation).flat()]) t.match(text, /^(?:[A-Z]|n8n:).*\.$/s, `${code}: ${text}`)
  }
})
