// Writes the OpenAPI documents that the routes and schemas give, and the client's types from the partners' one.
import { writeFileSync } from 'node:fs'
import { buildDocument } from '../dist/openapi/document.js'
import { CONSOLE, PARTNER } from '../dist/openapi/surfaces.js'
import { typesOf } from '../dist/openapi/types.js'

for (const surface of [PARTNER, CONSOLE]) writeFileSync(surface.file, `${JSON.stringify(await buildDocument(surface), null, 2)}\n`)
writeFileSync('clients/typescript/src/types.ts', typesOf(await buildDocument(PARTNER)))
