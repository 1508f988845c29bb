// Writes docs/rules.md from the catalogue of this build. `npm run docs:rules`; a test fails when the file is not what this writes.
import { writeFileSync } from 'node:fs'
import { CATALOGUE_VERSION, POLICIES } from '../dist/evaluation/rules/index.js'
import { rulesDocument } from '../dist/evaluation/rules/document.js'

writeFileSync('docs/rules.md', rulesDocument(POLICIES, CATALOGUE_VERSION))
