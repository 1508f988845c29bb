import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import t from 'tap'
import { ERROR_CATALOGUE } from '../../../errors.ts'
import { escapeHtml, markdownHtml } from '../../../openapi/page/markdown.ts'
import { PAGE_POLICY, renderPage } from '../../../openapi/page/page.ts'
import { meaningHtml } from '../../../openapi/page/schema.ts'
import { CONSOLE, PARTNER, type Surface } from '../../../openapi/surfaces.ts'

const read = (surface: Surface): any => JSON.parse(readFileSync(surface.file, 'utf8'))
const textOf = (html: string): string => html.replaceAll(/<style>.*?<\/style>/gs, '').replaceAll(/<[^>]+>/g, '')

for (const surface of [PARTNER, CONSOLE]) {
  const document = read(surface)
  const page = renderPage(document, { source: '/openapi.json', beside: [{ href: '/other', title: 'Other' }] })
  const text = textOf(page)

  t.test(`the page of ${surface.title} shows every operation with its parameters, fields, refusals and an example of its answer`, async (t) => {
    for (const [path, item] of Object.entries<any>(document.paths)) {
      for (const [method, { operationId, summary, parameters = [], responses }] of Object.entries<any>(item)) {
        const [, after = ''] = page.split(`<article id="${operationId}">`)
        const article = after.slice(0, after.indexOf('</article>'))
        const own = textOf(article)
        for (const words of [method.toUpperCase(), escapeHtml(path), escapeHtml(summary)]) t.ok(own.includes(words), `${operationId}: ${words}`)
        for (const { name } of parameters) t.ok(article.includes(`<code>${name}</code>`), `${operationId}: ${name}`)
        t.ok(own.includes(escapeHtml(JSON.stringify(responses[200].content['application/json'].example, null, 2))), `${operationId}: an example`)
        const refusals = Object.values<any>(responses).flatMap(({ $ref: ref }) => ref === undefined ? [] : Object.keys(document.components.responses[ref.split('/')[3]].content['application/json'].examples))
        t.ok(refusals.length > 5)
        for (const code of refusals) t.ok(own.includes(code) && own.includes(escapeHtml(ERROR_CATALOGUE[code as keyof typeof ERROR_CATALOGUE].sentence)), `${operationId}: ${code}`)
      }
    }
  })

  t.test(`the page of ${surface.title} shows every schema, and every link within it leads somewhere`, async (t) => {
    for (const name of Object.keys(document.components.schemas)) t.ok(page.includes(`id="schema-${name}"`), name)
    const ids = [...page.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id)
    t.equal(new Set(ids).size, ids.length, 'no id twice')
    t.same([...page.matchAll(/href="#([^"]+)"/g)].map(([, id]) => id).filter((id) => !ids.includes(id)), [])
    t.notMatch(text, /undefined|\[object|NaN/)
    t.notMatch(text, /^#|\*\*|```/m, 'no Markdown is left over')
  })

  t.test(`the page of ${surface.title} leads to each part of its introduction`, async (t) => {
    const [nav = ''] = /<nav.*?<\/nav>/s.exec(page) ?? []
    for (const [, heading = ''] of String(document.info.description).matchAll(/^## (.+)$/gm)) {
      const [, id = ''] = new RegExp(`<h2 id="([^"]+)">${heading}</h2>`).exec(page) ?? []
      t.ok(nav.includes(`<a href="#${id}">${heading}</a>`), heading)
    }
  })

  t.test(`the page of ${surface.title} fetches and runs nothing, and its policy knows its style`, async (t) => {
    t.notMatch(page, /<script|<link|<img|<iframe|@import|url\(|javascript:| on\w+=| style=/i)
    t.notMatch(page, /(?:src|href)="(?:https?:)?\/\//)
    const [, style = ''] = /<style>(.*?)<\/style>/s.exec(page) ?? []
    t.ok(PAGE_POLICY.includes(`'sha256-${createHash('sha256').update(style).digest('base64')}'`))
    t.match(PAGE_POLICY, /^default-src 'none'; /)
  })
}

t.test('bounds are read as a sentence', async (t) => {
  const bounds = (schema: object): string => textOf(meaningHtml({ description: 'It.' }, { ...schema }))
  t.equal(bounds({}), 'It.')
  t.equal(bounds({ minimum: 1, maximum: 168, default: 24 }), 'It. 1 to 168, default 24')
  t.equal(bounds({ minLength: 1, maxLength: 64, pattern: '^a<$' }), 'It. 1 to 64 characters, pattern ^a&lt;$')
  t.equal(bounds({ minItems: 2 }), 'It. at least 2 entries')
  t.equal(bounds({ maxItems: 10, format: 'uuid' }), 'It. at most 10 entries, format uuid')
})

t.test('what the document says is text, never markup', async (t) => {
  t.equal(markdownHtml('a <b> `<i>` & "c" **d**'), '<p>a &lt;b&gt; <code>&lt;i&gt;</code> &amp; &quot;c&quot; <strong>d</strong></p>')
  t.equal(markdownHtml('```sh\n<x>\n\n# y\n```'), '<pre tabindex="0"><code>&lt;x&gt;\n\n# y</code></pre>')
  t.equal(markdownHtml('## A\n\n* one\n* two'), '<h3>A</h3>\n<ul><li>one</li><li>two</li></ul>')
  t.equal(markdownHtml('| a | b |\n| --- | --- |\n| `1` | 2 |'), '<div class="wide"><table><thead><tr><th scope="col">a</th><th scope="col">b</th></tr></thead><tbody><tr><td><code>1</code></td><td>2</td></tr></tbody></table></div>')
  const planted = { ...read(CONSOLE), info: { title: '<script>alert(1)</script>', version: '"', summary: '<img src=x>', description: '`</code><script>`' } }
  t.notMatch(renderPage(planted, { source: '/"><script>' }), /<script|<img/)
})
