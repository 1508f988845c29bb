/** Every table, for the Drizzle handle. */
export { apiKeys } from "./tables/api-keys.js";
export { auditRows } from "./tables/audit-rows.js";
export { evaluationItems } from "./tables/evaluation-items.js";
export { evaluations } from "./tables/evaluations.js";
export { organizations } from "./tables/organizations.js";
export { redemptions } from "./tables/redemptions.js";
export { scenarios } from "./tables/scenarios.js";
//# sourceMappingURL=schema.js.map