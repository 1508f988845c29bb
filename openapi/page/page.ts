/**
 * A document as one page to read: every operation, parameter, schema, header and refusal, with examples. Plain HTML that fetches nothing and
 * runs nothing, so that its policy can forbid both (CSP Level 3). Made once; the same document gives the same page.
 */
import { createHash } from 'node:crypto'
import type { JsonObject } from '../components.ts'
import { anchorOf, escapeHtml, headingsOf, inlineHtml, markdownHtml } from './markdown.ts'
import { objectAt, objectsAt, textAt } from './nodes.ts'
import { codeHtml, operationHtml, refusalOf, type ShownOperation } from './operation.ts'
import { fieldsHtml, meaningHtml, typeHtml } from './schema.ts'
import { STYLE } from './style.ts'

const STYLE_HASH = createHash('sha256').update(STYLE).digest('base64')
/** The only thing that the page may use is its own style, known by its hash. */
export const PAGE_POLICY = `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`

/** A page beside this one, by its address on the same listener. */
export interface Beside { readonly href: string, readonly title: string }

export function renderPage (document: JsonObject, { source, beside = [] }: { source: string, beside?: readonly Beside[] }): string {
  const info = objectAt(document['info'])
  const title = `${textAt(info['title'])} ${textAt(info['version'])}`
  const about = textAt(info['description'])
  const { schemas, headers, securitySchemes } = objectAt(document['components'])
  const operations = operationsOf(objectAt(document['paths']))
  const events = operationsOf(objectAt(document['webhooks']))
  const tags = objectsAt(document['tags']).map(({ name, description }) => ({ name: textAt(name), description: textAt(description) }))
  const ofTag = (name: string): ShownOperation[] => operations.filter(({ operation }) => Array.isArray(operation['tags']) && operation['tags'].includes(name))
  const sections = [
    ...tags.filter(({ name }) => ofTag(name).length > 0).map(({ name, description }) => `<section id="tag-${escapeHtml(name)}"><h2>${escapeHtml(name)}</h2>${markdownHtml(description)}${ofTag(name).map((shown) => operationHtml(document, shown)).join('\n')}</section>`),
    ...(events.length === 0 ? [] : [`<section id="events"><h2>Webhook events</h2>${events.map((shown) => operationHtml(document, shown)).join('\n')}</section>`]),
    `<section id="security"><h2>Credentials</h2>${Object.entries(objectAt(securitySchemes)).map(([name, scheme]) => `<article id="security-${escapeHtml(name)}"><h3>${escapeHtml(name)}</h3>${markdownHtml(textAt(objectAt(scheme)['description']))}${codeHtml(textAt(objectAt(scheme)['x-example']))}</article>`).join('\n')}</section>`,
    `<section id="headers"><h2>Headers of answers</h2><div class="wide"><table><tbody>${Object.entries(objectAt(headers)).map(([name, header]) => `<tr id="header-${escapeHtml(name)}"><td><code>${escapeHtml(name)}</code></td><td>${typeHtml(objectAt(header)['schema'])}</td><td>${meaningHtml(header, objectAt(header)['schema'])}</td></tr>`).join('')}</tbody></table></div></section>`,
    `<section id="schemas"><h2>Schemas</h2>${Object.entries(objectAt(schemas)).map(([name, schema]) => schemaHtml(document, name, objectAt(schema))).join('\n')}</section>`
  ]
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><title>${escapeHtml(title)}</title><style>${STYLE}</style></head>
<body><a class="skip" href="#main">To the content</a><div class="page">
<nav aria-label="Contents"><p><strong>${escapeHtml(title)}</strong></p><p><a href="${escapeHtml(source)}">OpenAPI document</a>${beside.map(({ href, title: other }) => `<br><a href="${escapeHtml(href)}">${escapeHtml(other)}</a>`).join('')}</p>
${listHtml('About', headingsOf(about).map((heading) => ({ id: anchorOf(heading), words: heading })))}${tags.map(({ name }) => linksHtml(name, ofTag(name))).join('')}${linksHtml('Webhook events', events)}
${listHtml('Reference', [{ id: 'security', words: 'Credentials' }, { id: 'headers', words: 'Headers' }, { id: 'schemas', words: 'Schemas' }])}</nav>
<main id="main"><h1>${escapeHtml(title)}</h1><p>${inlineHtml(textAt(info['summary']))}</p>
${markdownHtml(about, 2, true)}
${sections.join('\n')}</main></div></body></html>
`
}

function operationsOf (paths: JsonObject): ShownOperation[] {
  return Object.entries(paths).flatMap(([path, item]) => Object.entries(objectAt(item)).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation: objectAt(operation) })))
}

function linksHtml (title: string, operations: readonly ShownOperation[]): string {
  return listHtml(title, operations.map(({ operation }) => ({ id: textAt(operation['operationId']), words: textAt(operation['summary']) })))
}

function listHtml (title: string, places: ReadonlyArray<{ id: string, words: string }>): string {
  if (places.length === 0) return ''
  return `<h2>${escapeHtml(title)}</h2><ul>${places.map(({ id, words }) => `<li><a href="#${escapeHtml(id)}">${inlineHtml(words)}</a></li>`).join('')}</ul>`
}

function schemaHtml (document: JsonObject, name: string, schema: JsonObject): string {
  const id = `schema-${escapeHtml(name)}`
  const refusal = schema['allOf'] === undefined ? null : refusalOf(document, `#/components/schemas/${name}`)
  const shape = refusal === null
    ? `<p>${typeHtml({ ...schema, description: '' })} ${meaningHtml({}, schema)}</p>${fieldsHtml(schema)}`
    : codeHtml(JSON.stringify({ ok: false, error: refusal.error, code: refusal.code, meta: { watermark: 'wm_…' } }, null, 2))
  return `<article id="${id}"><h3>${escapeHtml(name)}</h3>${markdownHtml(textAt(schema['description']))}${shape}</article>`
}
