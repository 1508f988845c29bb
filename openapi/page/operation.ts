/** One operation or webhook event on the page: what it asks for, what it answers, how it refuses, and a request to copy. */
import type { Json, JsonObject } from '../components.ts'
import { escapeHtml, inlineHtml, markdownHtml } from './markdown.ts'
import { followed, nameOf, namesAt, objectAt, objectsAt, textAt } from './nodes.ts'
import { fieldsHtml, meaningHtml, typeHtml } from './schema.ts'

export interface ShownOperation { method: string, path: string, operation: JsonObject }

export function operationHtml (document: JsonObject, shown: ShownOperation): string {
  const { method, path, operation } = shown
  const id = escapeHtml(textAt(operation['operationId']))
  return `<article id="${id}"><h3><span class="method">${method}</span> <code>${escapeHtml(path)}</code></h3>
<p><strong>${inlineHtml(textAt(operation['summary']))}</strong> <a class="dim" href="#${id}">${id}</a></p>
${markdownHtml(textAt(operation['description']))}
${securityHtml(operation)}
${parametersHtml(document, operation)}
${bodyHtml(document, operation)}
${shown.path.startsWith('/') ? requestHtml(document, shown) : ''}
${answersHtml(document, operation)}
${refusalsHtml(document, operation)}</article>`
}

function securityHtml (operation: JsonObject): string {
  const choices = objectsAt(operation['security']).map((choice) => Object.entries(choice).map(([name, scopes]) => {
    const scope = namesAt(scopes).map((one) => ` with <code>${escapeHtml(one)}</code>`).join('')
    return `<a href="#security-${escapeHtml(name)}">${escapeHtml(name)}</a>${scope}`
  }).join(' and '))
  return `<p>Credential: ${choices.length === 0 ? 'none' : choices.join('; or ')}</p>`
}

function parametersHtml (document: JsonObject, operation: JsonObject): string {
  const rows = objectsAt(operation['parameters']).map((parameter) => followed(document, parameter)).map((parameter) => {
    const { name, in: place, required, schema } = parameter
    return `<tr><td><code>${escapeHtml(textAt(name))}</code>${required === true ? '' : ' <span class="dim">optional</span>'}</td><td>${escapeHtml(textAt(place))}</td><td>${typeHtml(schema)}</td><td>${meaningHtml(parameter, schema)}</td></tr>`
  })
  return rows.length === 0 ? '' : `<h4>Parameters</h4><div class="wide"><table><thead><tr><th scope="col">name</th><th scope="col">in</th><th scope="col">type</th><th scope="col">meaning</th></tr></thead><tbody>${rows.join('')}</tbody></table></div>`
}

function bodyHtml (document: JsonObject, operation: JsonObject): string {
  const body = objectAt(operation['requestBody'])
  const { schema } = jsonOf(body)
  if (schema === undefined) return ''
  return `<h4>Body</h4>${markdownHtml(textAt(body['description']))}${shapeHtml(document, schema)}`
}

/** The request as bytes on the wire, with the example of its body. */
function requestHtml (document: JsonObject, { method, path, operation }: ShownOperation): string {
  const parameters = objectsAt(operation['parameters']).map((parameter) => followed(document, parameter))
  const target = parameters.filter(({ in: place }) => place === 'path').reduce((filled, { name, example }) => filled.replace(`{${textAt(name)}}`, textAt(example) || `{${textAt(name)}}`), path)
  const schemes = objectAt(objectAt(document['components'])['securitySchemes'])
  const credentials = Object.keys(objectsAt(operation['security'])[0] ?? {}).map((name) => textAt(objectAt(schemes[name])['x-example']))
  const { example } = jsonOf(objectAt(operation['requestBody']))
  const lines = [`${method} ${target} HTTP/1.1`, 'Host: api.flowbeacon.dev', ...credentials.filter((line) => line !== '')]
  if (example !== undefined) lines.push('Content-Type: application/json', '', JSON.stringify(example, null, 2))
  return `<h4>Request</h4>${codeHtml(lines.join('\n'))}`
}

function answersHtml (document: JsonObject, operation: JsonObject): string {
  const answers = Object.entries(objectAt(operation['responses'])).filter(([status]) => !isRefusal(document, operation, status))
  return answers.map(([status, response]) => {
    const answer = followed(document, response)
    const { schema, example } = jsonOf(answer)
    const headers = Object.keys(objectAt(answer['headers'])).map((name) => `<a href="#header-${escapeHtml(name)}"><code>${escapeHtml(name)}</code></a>`)
    return `<h4>${escapeHtml(status)}</h4>${markdownHtml(textAt(answer['description']))}${headers.length === 0 ? '' : `<p class="dim">Headers: ${headers.join(' ')}</p>`}${
      schema === undefined ? '' : shapeHtml(document, dataOf(schema))}${example === undefined ? '' : `<details open><summary>Example</summary>${codeHtml(JSON.stringify(example, null, 2))}</details>`}`
  }).join('\n')
}

function refusalsHtml (document: JsonObject, operation: JsonObject): string {
  const rows = Object.entries(objectAt(operation['responses'])).flatMap(([status, response]) => refusalsOf(document, response).map((ref) => {
    const { error, code, when } = refusalOf(document, ref)
    return `<tr><td>${escapeHtml(status)}</td><td>${escapeHtml(error)}</td><td><a href="#schema-${escapeHtml(nameOf(ref))}"><code>${escapeHtml(code)}</code></a></td><td>${inlineHtml(when)}</td></tr>`
  }))
  return rows.length === 0 ? '' : `<details><summary>Refusals (${rows.length})</summary><div class="wide"><table><thead><tr><th scope="col">status</th><th scope="col">error</th><th scope="col">code</th><th scope="col">when</th></tr></thead><tbody>${rows.join('')}</tbody></table></div></details>`
}

/** What a refusal's schema says of it: its sentence, its code, and when it is met. */
export function refusalOf (document: JsonObject, ref: string): { error: string, code: string, when: string } {
  const schema = followed(document, { $ref: ref })
  const { error, code } = objectAt(objectAt(objectsAt(schema['allOf'])[1])['properties'])
  return { error: textAt(objectAt(error)['const']), code: textAt(objectAt(code)['const']), when: textAt(schema['description']) }
}

function isRefusal (document: JsonObject, operation: JsonObject, status: string): boolean {
  return refusalsOf(document, objectAt(operation['responses'])[status]).length > 0
}

function refusalsOf (document: JsonObject, response: Json | undefined): string[] {
  const schema = objectAt(jsonOf(followed(document, response)).schema)
  const choices = schema['oneOf'] === undefined ? [schema] : objectsAt(schema['oneOf'])
  return choices.map(({ $ref: ref }) => textAt(ref)).filter((ref) => /\/Refusal[A-Z]/.test(ref))
}

function jsonOf (node: JsonObject): { schema?: Json, example?: Json } {
  return objectAt(objectAt(node['content'])['application/json'])
}

// Every answer has the same envelope, which the introduction shows.
function dataOf (schema: Json): Json {
  const { data } = objectAt(objectAt(schema)['properties'])
  return data ?? schema
}

function shapeHtml (document: JsonObject, schema: Json): string {
  const own = fieldsHtml(schema)
  const named = objectAt(schema)['$ref'] === undefined ? '' : fieldsHtml(followed(document, schema))
  return `<p>${typeHtml(schema)}</p>${own}${named}`
}

export function codeHtml (text: string): string {
  return `<pre tabindex="0"><code>${escapeHtml(text)}</code></pre>`
}
