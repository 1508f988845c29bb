/** Every public route, listed by hand. */
import type { FastifyInstance } from 'fastify'
import type { RouteDeps } from './deps.ts'
import evaluate from './evaluate.ts'
import evaluations from './evaluations.ts'
import health from './health.ts'
import policies from './policies.ts'
import results from './results.ts'
import scenarios from './scenarios.ts'

export default async function v1Routes (app: FastifyInstance, deps: RouteDeps): Promise<void> {
  await app.register(health)
  await app.register(policies)
  await app.register(evaluate, deps)
  await app.register(evaluations, deps)
  await app.register(results, deps)
  await app.register(scenarios, deps)
}
