/** Every public route, listed by hand. */
import type { FastifyInstance } from 'fastify'
import type { RouteDeps } from './deps.ts'
import evaluate from './evaluate.ts'
import evaluations from './evaluations.ts'
import health from './health.ts'
import policies from './policies.ts'
import remediation from './remediation.ts'
import requests from './requests.ts'
import results from './results.ts'
import scenarios from './scenarios.ts'
import summary from './summary.ts'
import suppressions from './suppressions.ts'
import webhookDeliveries from './webhook-deliveries.ts'
import webhooks from './webhooks.ts'

export default async function v1Routes (app: FastifyInstance, deps: RouteDeps): Promise<void> {
  await app.register(health)
  await app.register(policies)
  await app.register(evaluate, deps)
  await app.register(evaluations, deps)
  await app.register(results, deps)
  await app.register(scenarios, deps)
  await app.register(remediation, deps)
  await app.register(summary, deps)
  await app.register(requests, deps)
  await app.register(suppressions, deps)
  await app.register(webhooks, deps)
  await app.register(webhookDeliveries, deps)
}
