/** Every table, for the Drizzle handle. */
export { apiKeys } from './tables/api-keys.ts'
export { auditRows } from './tables/audit-rows.ts'
export { evaluationItems } from './tables/evaluation-items.ts'
export { evaluations } from './tables/evaluations.ts'
export { organizations } from './tables/organizations.ts'
export { redemptions } from './tables/redemptions.ts'
export { scenarios } from './tables/scenarios.ts'
