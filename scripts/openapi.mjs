// Writes the OpenAPI document that the routes and schemas give, and the client's types from it.
import { writeFileSync } from 'node:fs'
import { buildDocument } from '../dist/openapi/document.js'
import { typesOf } from '../dist/openapi/types.js'

const document = await buildDocument()
writeFileSync('docs/openapi.json', `${JSON.stringify(document, null, 2)}\n`)
writeFileSync('clients/typescript/src/types.ts', typesOf(document))
