/** The API's documents and their readable pages, for the operations listener only: whom they are shown to is the operator's to say. */
import type { FastifyInstance } from 'fastify'
import type { JsonObject } from '../openapi/components.ts'
import { buildDocument } from '../openapi/document.ts'
import { PAGE_POLICY, renderPage } from '../openapi/page/page.ts'
import { CONSOLE, PARTNER, type Surface } from '../openapi/surfaces.ts'

interface Served { readonly surface: Surface, readonly source: string, readonly page: string }

const SERVED: readonly Served[] = [
  { surface: PARTNER, source: '/openapi.json', page: '/docs' },
  { surface: CONSOLE, source: '/openapi-console.json', page: '/docs/console' }
]

export default async function apiPages (ops: FastifyInstance): Promise<void> {
  for (const { surface, source, page } of SERVED) {
    const beside = SERVED.filter((other) => other.page !== page).map((other) => ({ href: other.page, title: other.surface.title }))
    const document = once(() => buildDocument(surface))
    const html = once(async () => renderPage(await document(), { source, beside }))
    ops.get(source, async (_request, reply): Promise<JsonObject> => {
      reply.header('x-content-type-options', 'nosniff')
      return await document()
    })
    ops.get(page, async (_request, reply) => {
      reply.type('text/html; charset=utf-8').headers({ 'content-security-policy': PAGE_POLICY, 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer' })
      return await html()
    })
  }
}

/** Made when first asked for: a start does not wait for what is seldom read. */
function once<Made> (make: () => Promise<Made>): () => Promise<Made> {
  let made: Promise<Made> | null = null
  return async () => await (made ??= make())
}
