/** What the package exports. */
export * from './client.ts'
export * from './errors.ts'
export type { RequestOptions } from './exchange.ts'
export type * from './types.ts'
export * from './webhooks.ts'
