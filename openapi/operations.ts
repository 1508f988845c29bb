/** What an operation is for, in words, and what the schemas cannot say of it. One entry for each route; a route without one has no document. */
import type { ErrorCode } from '../errors.ts'

export interface Operation {
  /** Also the name of the client's method. */
  id: string
  tag: 'Governance' | 'Evaluations' | 'Scenarios' | 'Suppressions' | 'Webhooks' | 'Audit' | 'Keys'
  summary: string
  description?: string
  /** Of the 200. */
  answer: string
  /** Beyond those that any route like it can meet. */
  refusals?: readonly ErrorCode[]
  /** Answers 304 to an `If-None-Match` that still holds. */
  isConditional?: boolean
  isIdempotent?: boolean
  isBodyOptional?: boolean
  /** Of its body, in words. Default what the surface says. */
  bodyMax?: string
  /** Of the console: takes rights away, and is served while the kill switch is thrown. */
  isServedDuringKill?: boolean
}

export interface Tag { name: Operation['tag'], description: string }
export interface Parameter { description: string, pattern: string, example: string }

const PAGED = 'Newest first, by cursor: give `next_cursor` as `cursor` until it is null.'

export const OPERATIONS: Readonly<Record<string, Operation>> = {
  'GET /governance/health': { id: 'getHealth', tag: 'Governance', summary: 'Is the API there', description: 'Open and flat; touches no store. Needs no key and no signature.', answer: 'It is.' },
  'GET /governance/policies': { id: 'listPolicies', tag: 'Governance', summary: 'The catalogue of policies', description: 'Changes with a release only, so it may be kept for a day.', answer: 'The catalogue.', isConditional: true },
  'GET /governance/policies/{code}': { id: 'getPolicy', tag: 'Governance', summary: 'One policy, and how to mend what it finds', answer: 'The policy.', isConditional: true },
  'GET /governance/summary': { id: 'getSummary', tag: 'Governance', summary: "The organization's rollup", answer: 'The rollup.', isConditional: true },
  'POST /evaluate': {
    id: 'createEvaluation',
    tag: 'Evaluations',
    summary: 'Submit scenarios or blueprints for evaluation',
    description: 'An answer of 200 means that the evaluation is kept and will be judged. With an `Idempotency-Key`, the same key and body within 24 hours answer the same `evaluation_id`, so a request whose answer was lost can be made again.',
    answer: 'Accepted. Follow it with `GET /api/public/v1/evaluations/{evaluation_id}`, redeem `result_token` once it is complete.',
    refusals: ['organization_mismatch', 'idempotency_conflict', 'blueprint_invalid'],
    isIdempotent: true
  },
  'GET /evaluations/{evaluation_id}': { id: 'getEvaluation', tag: 'Evaluations', summary: 'How far an evaluation is', description: 'Poll it, every two seconds say, until `status` is `complete` or `error`.', answer: 'Its state, and once complete what was found, in numbers.', isConditional: true },
  'GET /results/{token}': { id: 'redeemResults', tag: 'Evaluations', summary: 'Redeem the full results, once', description: 'The token alone is the credential, for 900 seconds. The first successful call consumes it; of any number at once, one succeeds. Needs no key and no signature; limited per client address.', answer: 'The full results. The token is spent.' },
  'GET /scenarios': { id: 'listScenarios', tag: 'Scenarios', summary: 'Imported scenarios', description: PAGED, answer: 'A page.' },
  'GET /scenarios/{id}/results': { id: 'getScenarioResults', tag: 'Scenarios', summary: "A scenario's newest results", answer: 'The results.', isConditional: true },
  'GET /scenarios/{id}/remediation': { id: 'getScenarioRemediation', tag: 'Scenarios', summary: 'What to do about a scenario', answer: 'Ordered steps for every open violation.', isConditional: true },
  'GET /requests': { id: 'listRequests', tag: 'Audit', summary: "The organization's own requests", description: PAGED, answer: 'A page.' },
  'GET /watermarks/{watermark}': { id: 'resolveWatermark', tag: 'Audit', summary: 'Where a leaked watermark came from', description: 'Resolves within the own organization only.', answer: 'The request or webhook that carried it.' },
  'POST /suppressions': { id: 'createSuppression', tag: 'Suppressions', summary: 'Decide to live with a finding', description: 'For an organization, a scenario or one finding, with a reason and for a limited time. Some policies need the approval of a second key.', answer: 'The suppression.', refusals: ['organization_mismatch'] },
  'GET /suppressions': { id: 'listSuppressions', tag: 'Suppressions', summary: 'What the organization lives with', description: PAGED, answer: 'A page.' },
  'DELETE /suppressions/{suppression_id}': { id: 'withdrawSuppression', tag: 'Suppressions', summary: 'Withdraw a suppression', answer: 'The suppression, withdrawn.' },
  'POST /suppressions/{suppression_id}/approve': { id: 'approveSuppression', tag: 'Suppressions', summary: 'Approve a suppression as a second key', description: 'The key that made it cannot approve it.', answer: 'The suppression, approved.' },
  'POST /webhooks': { id: 'createWebhook', tag: 'Webhooks', summary: 'Subscribe to events', answer: 'The subscription, and its signing secret, shown this once.' },
  'GET /webhooks': { id: 'listWebhooks', tag: 'Webhooks', summary: 'Subscriptions', answer: 'All of them.' },
  'GET /webhooks/{webhook_id}': { id: 'getWebhook', tag: 'Webhooks', summary: 'One subscription', answer: 'The subscription.' },
  'PATCH /webhooks/{webhook_id}': { id: 'updateWebhook', tag: 'Webhooks', summary: 'Change, pause or switch on a subscription', answer: 'The subscription as it is now.' },
  'DELETE /webhooks/{webhook_id}': { id: 'deleteWebhook', tag: 'Webhooks', summary: 'Delete a subscription', description: 'Cancels what waits; the log stays for 90 days.', answer: 'It is gone.' },
  'POST /webhooks/{webhook_id}/rotate-secret': { id: 'rotateWebhookSecret', tag: 'Webhooks', summary: 'A new signing secret', description: 'The old one stops at once, also for deliveries that wait.', answer: 'The new secret, shown this once.' },
  'POST /webhooks/{webhook_id}/test': { id: 'testWebhook', tag: 'Webhooks', summary: 'Send a ping', answer: 'The delivery of the ping.' },
  'GET /webhooks/{webhook_id}/deliveries': { id: 'listDeliveries', tag: 'Webhooks', summary: 'The log of deliveries', description: PAGED, answer: 'A page.' },
  'POST /webhooks/{webhook_id}/deliveries/{delivery_id}/replay': { id: 'replayDelivery', tag: 'Webhooks', summary: 'Send one delivery again', answer: 'The new delivery.' },
  'POST /webhooks/{webhook_id}/deliveries/replay': { id: 'replayDeliveries', tag: 'Webhooks', summary: 'Send every delivery since a time again', description: 'A thousand at a time; `next_since` says where to go on.', answer: 'How many were queued.' }
}

export const TAGS: readonly Tag[] = [
  { name: 'Governance', description: 'The catalogue, and how the organization stands against it.' },
  { name: 'Evaluations', description: 'Submit, follow, redeem.' },
  { name: 'Scenarios', description: 'What was imported, and what was found in it.' },
  { name: 'Suppressions', description: 'What the organization decided to live with, why and until when.' },
  { name: 'Webhooks', description: 'Subscriptions and their deliveries.' },
  { name: 'Audit', description: "The organization's own trail." }
]

/** Path parameters, by name. */
export const PARAMETERS: Readonly<Record<string, Parameter>> = {
  code: { description: 'Code of a policy, such as `SEC-001`.', pattern: '^[A-Z]{3}-[0-9]{3}$', example: 'SEC-001' },
  evaluation_id: { description: 'Id of an evaluation.', pattern: '^req_[0-9A-Z]{26}$', example: 'req_01KAZ5D3V8Q4N7M2X6C9B1F5HT' },
  id: { description: 'Id of a scenario.', pattern: '^scn_[0-9A-Z]{26}$', example: 'scn_01KAZ5A0R2W6P9K4T8D1J3G7YB' },
  token: { description: 'The `result_token` of an evaluation, a JWT.', pattern: '^[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]+$', example: 'eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl' },
  watermark: { description: 'The watermark, as it was found.', pattern: '^wm_[0-9a-z]{36}$', example: 'wm_0m8x2k7v9q4t1c6z3b5n8r0w2y4h6j8d1f3s' },
  webhook_id: { description: 'Id of a webhook.', pattern: '^sub_[0-9A-Z]{26}$', example: 'sub_01KAZ5C1N4V7Z0R3K6T9B2F5HM' },
  delivery_id: { description: 'Id of a delivery.', pattern: '^dlv_[0-9A-Z]{26}$', example: 'dlv_01KAZ5E6Q9S2W5Y8C1G4J7N0RD' },
  suppression_id: { description: 'Id of a suppression.', pattern: '^sup_[0-9A-Z]{26}$', example: 'sup_01KAZ5F8T1X4B7D0H3M6P9S2WA' }
}
