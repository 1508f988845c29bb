// Writes the OpenAPI document that the routes and schemas give.
import { writeFileSync } from 'node:fs'
import { buildDocument } from '../dist/openapi/document.js'

writeFileSync('docs/openapi.json', `${JSON.stringify(await buildDocument(), null, 2)}\n`)
