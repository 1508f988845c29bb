/**
 * The console's surface, mounted at `/api/v1`: what an organization's people may do with their session, never with a key. Its own scope: it
 * shares transport, strict JSON, watermark and audit with the public surface, and puts the session where that has its keys.
 */
import type { FastifyInstance } from 'fastify'
import type { Secrets } from '../../config.ts'
import type { Database } from '../../db/client.ts'
import type { AdmissionStore } from '../../plugins/context.ts'
import jsonBody from '../../plugins/support/json-body.ts'
import session, { type SessionOptions } from '../../plugins/support/session.ts'
import transport, { type TransportOptions } from '../../plugins/transport.ts'
import watermark, { type WatermarkOptions } from '../../plugins/watermark.ts'
import audit from './audit.ts'
import keys from './keys.ts'
import scenarios from './scenarios.ts'

export const CONSOLE_PREFIX = '/api/v1'
/** Of every body but an import. */
const BODY_BYTES_MAX = 64 * 1024

export interface ConsoleDeps {
  database: Database
  admission: Pick<AdmissionStore, 'bumpEpoch'>
  secrets: Secrets
  /** Unix milliseconds. */
  now: () => number
}

export interface ConsoleOptions extends ConsoleDeps {
  transport: TransportOptions
  watermark: WatermarkOptions
  session: SessionOptions
}

/** Registers the surface on this scope. */
export async function registerConsole (app: FastifyInstance, { transport: transportOptions, watermark: watermarkOptions, session: sessionOptions, ...deps }: ConsoleOptions): Promise<void> {
  await app.register(jsonBody, { bodyBytesMax: BODY_BYTES_MAX })
  await app.register(transport, transportOptions)
  await app.register(session, sessionOptions)
  await app.register(watermark, watermarkOptions)
  await consoleRoutes(app, deps)
}

/** The routes alone, without what guards them. */
export async function consoleRoutes (app: FastifyInstance, deps: ConsoleDeps): Promise<void> {
  app.addHook('onRoute', (route) => { route.bodyLimit ??= BODY_BYTES_MAX })
  await app.register(keys, deps)
  await app.register(scenarios, deps)
  await app.register(audit, deps)
}
