/** Strict JSON: what two parsers would read differently, and what is no JSON. Each is signed rightly, and refused all the same. */
import { ERROR_CATALOGUE } from '../../../errors.ts'
import type { AttackCase } from '../definition.ts'
import { refusedWith } from '../expect.ts'
import type { Asked, Lab } from '../lab.ts'

const BOM = Buffer.from([0xef, 0xbb, 0xbf])
const DEPTH = 70

const insert = (lab: Lab, text: string): string => lab.postBody().replace(/^\{/, `{${text},`)

const BODIES: ReadonlyArray<[string, string, (lab: Lab) => Asked]> = [
  ['JSN-001', 'no JSON', () => ({ body: '{"a":' })],
  ['JSN-002', 'JSON with more behind it', (lab) => ({ body: `${lab.postBody()}{}` })],
  ['JSN-003', 'a name twice in one object', (lab) => ({ body: insert(lab, Object.keys(lab.settings.postBody).slice(0, 1).map((name) => `${JSON.stringify(name)}:null`).join('') || '"a":1,"a":2') })],
  ['JSN-004', '__proto__', (lab) => ({ body: insert(lab, '"__proto__":{"isAdmin":true}') })],
  ['JSN-005', '__proto__ with an escape', (lab) => ({ body: insert(lab, '"__pr\\u006fto__":{"isAdmin":true}') })],
  ['JSN-006', 'constructor.prototype', (lab) => ({ body: insert(lab, '"constructor":{"prototype":{"isAdmin":true}}') })],
  ['JSN-007', 'NUL in a text', (lab) => ({ body: insert(lab, '"a":"\\u0000"') })],
  ['JSN-008', 'half a surrogate pair', (lab) => ({ body: insert(lab, '"a":"\\ud800"') })],
  ['JSN-009', 'bytes that are not UTF-8', (lab) => ({ body: Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xc0, 0xaf]), Buffer.from(`",${lab.postBody().slice(1)}`)]) })],
  ['JSN-010', 'a byte order mark', (lab) => ({ body: Buffer.concat([BOM, Buffer.from(lab.postBody())]) })],
  ['JSN-011', 'a number beyond all bounds', (lab) => ({ body: insert(lab, '"a":1e999') })],
  ['JSN-012', `${DEPTH} levels of nesting`, (lab) => ({ body: insert(lab, `"a":${'['.repeat(DEPTH)}${']'.repeat(DEPTH)}`) })],
  ['JSN-013', 'a list in place of an object', () => ({ body: '[]' })],
  ['JSN-014', 'an unknown field', (lab) => ({ body: lab.postBody({ conformance_unknown: true }) })]
]
const TYPES: ReadonlyArray<[string, string, string | null]> = [
  ['JSN-020', 'text/plain', 'text/plain'],
  ['JSN-021', 'a form', 'application/x-www-form-urlencoded'],
  ['JSN-022', 'JSON in UTF-16, as it says', 'application/json; charset=utf-16'],
  ['JSN-023', 'no media type', null]
]

export const bodyCases: AttackCase[] = [
  ...BODIES.map(([id, title, asked]): AttackCase => ({
    id,
    parts: ['json-body', 'authentication'],
    threats: ['token-replay'],
    title: `a signed body: ${title}`,
    expected: `400 ${ERROR_CATALOGUE.malformed_request.sentence}`,
    needs: ['a signed POST'],
    attack: async (lab) => refusedWith(await send(lab, asked(lab)), 'malformed_request')
  })),
  ...TYPES.map(([id, title, contentType]): AttackCase => ({
    id,
    parts: ['json-body', 'authentication'],
    threats: ['browser-origin-abuse'],
    title: `a signed body: ${title}`,
    expected: '415 unsupported_media_type',
    needs: ['a signed POST'],
    attack: async (lab) => refusedWith(await send(lab, { body: lab.postBody(), contentType }), 'unsupported_media_type')
  }))
]

async function send (lab: Lab, asked: Asked): ReturnType<Lab['ask']> {
  return await lab.admit({ method: 'POST', path: lab.postPath, ...asked })
}
