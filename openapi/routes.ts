/** The routes as they are declared, read from their own registration: the document cannot know a route that is not served, nor miss one. */
import fastify, { type FastifyPluginAsync } from 'fastify'
import type { Access, Permission } from '../plugins/context.ts'
import { CONSOLE_PREFIX, consoleRoutes as consoleResources, type ConsoleDeps } from '../routes/console/index.ts'
import type { RouteDeps } from '../routes/v1/deps.ts'
import v1Routes from '../routes/v1/index.ts'

export interface DeclaredRoute {
  method: string
  /** With its prefix, parameters in braces. */
  path: string
  access: Access | 'session'
  scope: Permission | null
  body: object | null
  querystring: object | null
  /** The schema of a 200. */
  answer: object | null
}

const PUBLIC_PREFIX = '/api/public/v1'

/** Every route of the public surface, in the order of registration. */
export async function publicRoutes (): Promise<DeclaredRoute[]> {
  return await declaredIn<RouteDeps>(v1Routes, PUBLIC_PREFIX)
}

/** Every route of the console. */
export async function consoleRoutes (): Promise<DeclaredRoute[]> {
  return (await declaredIn<ConsoleDeps>(consoleResources, CONSOLE_PREFIX)).map((route) => ({ ...route, access: 'session' }))
}

/** Registers the routes on a service that nobody can call and that has no stores, and tells what they declared. */
async function declaredIn<Deps extends RouteDeps | ConsoleDeps> (routes: FastifyPluginAsync<Deps>, prefix: string): Promise<DeclaredRoute[]> {
  const declared: DeclaredRoute[] = []
  const app = fastify({ logger: false, exposeHeadRoutes: false })
  app.addHook('onRoute', ({ method, url, config, schema }) => {
    for (const one of [method].flat()) {
      declared.push({
        method: one,
        path: url.replaceAll(/:(\w+)/g, '{$1}'),
        access: config?.access ?? 'key',
        scope: config?.scope ?? null,
        body: objectOr(schema?.body),
        querystring: objectOr(schema?.querystring),
        answer: objectOr(Object(schema?.response)[200])
      })
    }
  })
  // Handlers use their stores; registration does not.
  const none: unknown = { secrets: {}, now: Date.now, wake () {} }
  await app.register(async (surface) => { await surface.register(routes, none as Deps) }, { prefix })
  await app.ready()
  await app.close()
  return declared
}

function objectOr (schema: unknown): object | null {
  return typeof schema === 'object' && schema !== null ? schema : null
}
