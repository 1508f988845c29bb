// Written by `npm run docs:openapi` from docs/openapi.json. Do not edit.

/** About the answer itself. */
export type Meta = {
  /** The same as `X-FB-Watermark`. */
  watermark: string
}

/** From worst to least. */
export type Severity = 'critical' | 'high' | 'medium' | 'low' | 'info'

/** An automation platform. */
export type Platform = 'make' | 'n8n'

/** `complete` and `error` are final. */
export type EvaluationStatus = 'pending' | 'processing' | 'complete' | 'error'

/** RFC 3339, UTC. */
export type Timestamp = string

/** A blueprint to judge as it stands. */
export type InlineBlueprint = {
  /** Id of the record. */
  id: string
  /** Name as the platform shows it. */
  name?: string
  /** The exported blueprint of Make or the exported workflow of n8n, as it is. Only its shape is kept, and only until the evaluation ends unless `save` is true. */
  blueprint: Record<string, unknown>
  /** Import the blueprint as a scenario of the organization. Default false: it is judged and forgotten. */
  save?: boolean
}

/** Exactly one of `scenario_ids` (then with `org_id`) and `blueprints`. */
export type EvaluateBody = {
  /** Imported scenarios to judge. One that is not there fails alone, in its place. */
  scenario_ids?: string[]
  /** The organization of the key. Required with `scenario_ids`. */
  org_id?: string
  /** Blueprints to judge as they stand, instead of `scenario_ids`. */
  blueprints?: InlineBlueprint[]
}

/** The evaluation is kept and will be judged. */
export type EvaluateAccepted = {
  /** Id of the evaluation: `req_` and a ULID. */
  evaluation_id: string
  status: 'processing'
  /** Scenarios of the evaluation. */
  total_scenarios: number
  /** Redeems the full results once, without a key, within 900 seconds: `GET /api/public/v1/results/{token}`. Treat it as a secret. */
  result_token: string
}

/** `scenarios` is there once `status` is `complete`; `error` when it is `error`. */
export type EvaluationProgress = {
  /** Id of the evaluation: `req_` and a ULID. */
  evaluation_id: string
  /** Status; of an exchange, its HTTP status. */
  status: EvaluationStatus
  /** Scenarios of the evaluation. */
  total_scenarios: number
  /** Scenarios that have their outcome. */
  completed: number
  /** Why there is no result. */
  error?: string
  /** Scenarios, or their number. */
  scenarios?: Array<ScenarioCounts | FailedScenario>
}

/** What was found in a scenario, in numbers. */
export type ScenarioCounts = {
  /** Id of the record. */
  id: string
  /** Name as the platform shows it. */
  name: string
  /** 0 to 100; 100 is clean. */
  score: number
  /** Open violations, or their number. */
  violations: number
  /** Open violations of severity critical. */
  critical: number
  /** Controls that open violations bear on, such as `SOC 2 CC6.1`. */
  compliance_gaps: string[]
  /** Number of modules. */
  modules: number
}

/** A scenario that could not be judged. The batch goes on without it. */
export type FailedScenario = {
  /** Id of the record. */
  id: string
  /** Name as the platform shows it. */
  name: string
  /** Why there is no result. */
  error: string
}

/** What was found in a scenario. */
export type JudgedScenario = {
  /** Id of the record. */
  id: string
  /** Name as the platform shows it. */
  name: string
  /** Number of modules. */
  modules: number
  /** Version of the catalogue that judged; scores of two versions are not comparable. */
  catalogue_version: string
  /** State of the judgement. */
  evaluation_status: EvaluationStatus
  /** When it was judged. */
  evaluated_at: Timestamp | null
  /** 0 to 100; 100 is clean. */
  score: number
  /** Open violations, or their number. */
  violations: Violation[]
  /** The modules with open violations. */
  module_summary: ModuleSummary[]
  /** Policies that were judged. */
  evaluated_codes: string[]
  /** Judged policies without an open violation. */
  passing_count: number
  /** Judged policies with at least one open violation. */
  failing_count: number
  /** Findings that are suppressed and count neither way. */
  suppressed: SuppressedViolation[]
}

/** The results of an evaluation, whole. */
export type FullResults = {
  /** Id of the evaluation: `req_` and a ULID. */
  evaluation_id: string
  /** Scenarios, or their number. */
  scenarios: Array<JudgedScenario | FailedScenario>
}

/** A scenario's newest results. */
export type ScenarioResults = {
  /** Id of the record. */
  id: string
  /** Name as the platform shows it. */
  name: string
  /** Id of the evaluation: `req_` and a ULID. */
  evaluation_id: string
  /** Number of modules. */
  modules: number
  /** Version of the catalogue that judged; scores of two versions are not comparable. */
  catalogue_version: string
  /** State of the judgement. */
  evaluation_status: EvaluationStatus
  /** When it was judged. */
  evaluated_at: Timestamp | null
  /** 0 to 100; 100 is clean. */
  score: number
  /** Open violations, or their number. */
  violations: Violation[]
  /** The modules with open violations. */
  module_summary: ModuleSummary[]
  /** Policies that were judged. */
  evaluated_codes: string[]
  /** Judged policies without an open violation. */
  passing_count: number
  /** Judged policies with at least one open violation. */
  failing_count: number
  /** Findings that are suppressed and count neither way. */
  suppressed: SuppressedViolation[]
}

/** An imported scenario. */
export type Scenario = {
  /** Id of the record. */
  id: string
  /** Name as the platform shows it. */
  name: string
  /** The platform the scenario was exported from. */
  platform: Platform
  /** Number of modules. */
  modules: number
  /** When it was imported. */
  imported_at: Timestamp
}

/** A page of scenarios. */
export type ScenarioList = {
  /** Scenarios, or their number. */
  scenarios: Scenario[]
  /** Give it as `cursor` for the next page; null on the last one. */
  next_cursor: string | null
}

/** Steps for every open violation, in the order to work in. */
export type ScenarioRemediation = {
  /** Id of the record. */
  id: string
  /** Name as the platform shows it. */
  name: string
  /** Id of the evaluation: `req_` and a ULID. */
  evaluation_id: string
  /** When it was judged. */
  evaluated_at: Timestamp
  /** 0 to 100; 100 is clean. */
  score: number
  /** What each failing policy costs of 100 points. */
  deductions: Array<{
    /** Code of the policy, such as `SEC-001`. */
    code: string
    /** Points off 100. */
    points: number
  }>
  /** What to do about it. */
  remediation: Array<{
    /** Place in the order of work, from 1. */
    order: number
    /** Opaque; this one finding identifies the answer it came from (`fb trace`). */
    ref: string
    /** Code of the policy, such as `SEC-001`. */
    code: string
    /** In a few words. */
    title: string
    /** How bad it is. */
    severity: Severity
    /** The module it was found in; null when it is of the scenario as a whole. */
    module: ModuleReference | null
    /** What was found, without any value of the blueprint. */
    message: string
    /** Controls that it bears on, such as `SOC 2 CC6.1`. */
    frameworks: string[]
    /** In their order. */
    steps: string[]
  }>
}

/** A module of a scenario. */
export type ModuleReference = {
  /** Id of the record. */
  id: string
  /** Name as the platform shows it. */
  name: string
  /** The platform's own name of the module's type. */
  type: string
}

/** A module with open violations. */
export type ModuleSummary = {
  /** Id of the record. */
  id: string
  /** Name as the platform shows it. */
  name: string
  /** The platform's own name of the module's type. */
  type: string
  /** The worst of its open violations. */
  worst_severity: Severity
  /** Policies with an open violation in it. */
  codes: string[]
  /** Open violations, or their number. */
  violations: number
}

/** A finding. It holds no content of the blueprint. */
export type Violation = {
  /** Opaque; this one finding identifies the answer it came from (`fb trace`). */
  ref: string
  /** Code of the policy, such as `SEC-001`. */
  code: string
  /** In a few words. */
  title: string
  /** How bad it is. */
  severity: Severity
  /** The module it was found in; null when it is of the scenario as a whole. */
  module: ModuleReference | null
  /** What was found, without any value of the blueprint. */
  message: string
  /** Controls that it bears on, such as `SOC 2 CC6.1`. */
  frameworks: string[]
}

/** A finding that counts neither way, and the suppression that says so. */
export type SuppressedViolation = {
  /** Opaque; this one finding identifies the answer it came from (`fb trace`). */
  ref: string
  /** Code of the policy, such as `SEC-001`. */
  code: string
  /** In a few words. */
  title: string
  /** How bad it is. */
  severity: Severity
  /** The module it was found in; null when it is of the scenario as a whole. */
  module: ModuleReference | null
  /** What was found, without any value of the blueprint. */
  message: string
  /** Controls that it bears on, such as `SOC 2 CC6.1`. */
  frameworks: string[]
  /** Who decided to live with it, why and until when. */
  suppression: {
    /** Id of the record. */
    id: string
    /** Why. */
    reason: string
    /** When it ends. */
    expires_at: Timestamp
  }
}

/** A policy of the catalogue. */
export type Policy = {
  /** Code of the policy, such as `SEC-001`. */
  code: string
  /** In a few words. */
  title: string
  /** In one sentence. */
  description: string
  /** How bad it is. */
  severity: Severity
  /** Controls that it bears on, such as `SOC 2 CC6.1`. */
  frameworks: string[]
}

/** The catalogue. */
export type PolicyList = {
  policies: Policy[]
}

/** A policy, and how to mend what it finds. */
export type PolicyDetail = {
  /** Code of the policy, such as `SEC-001`. */
  code: string
  /** In a few words. */
  title: string
  /** In one sentence. */
  description: string
  /** How bad it is. */
  severity: Severity
  /** Controls that it bears on, such as `SOC 2 CC6.1`. */
  frameworks: string[]
  /** How sure a finding of this policy is. */
  confidence: string
  /** Platforms it is judged on. */
  platforms: Platform[]
  /** Why it matters. */
  rationale: string
  /** In words, how the policy is judged. */
  detection: string
  /** What to do about it. */
  remediation: {
    make?: string[]
    n8n?: string[]
  }
}

/** The organization's rollup. */
export type GovernanceSummary = {
  /** Version of the catalogue that judged; scores of two versions are not comparable. */
  catalogue_version: string
  /** 0 to 100; 100 is clean. */
  score: number | null
  /** A from 90, B from 75, C from 55, D below; an open critical violation caps it at C. */
  band: 'A' | 'B' | 'C' | 'D' | null
  /** Score of the worst scenario. */
  worst_score: number | null
  /** Change since the newest point of the trend. */
  score_change: number | null
  /** Scenarios, or their number. */
  scenarios: number
  /** Scenarios judged under this catalogue version. */
  scenarios_evaluated: number
  /** Scenarios judged only under another catalogue version: evaluate them again. */
  scenarios_outdated: number
  /** Scenarios with an open critical violation. */
  scenarios_with_critical: number
  /** Open violations by severity. */
  open_violations: ViolationsBySeverity
  /** Findings that are suppressed. */
  suppressed_violations: number
  /** At most ten policies, by weight and by scenarios affected. */
  top_violations: Array<{
    /** Code of the policy, such as `SEC-001`. */
    code: string
    /** In a few words. */
    title: string
    /** How bad it is. */
    severity: Severity
    /** Scenarios, or their number. */
    scenarios: number
    /** Open violations, or their number. */
    violations: number
  }>
  /** At most ten connections, by id, that at least two scenarios use. */
  widest_connections: Array<{
    /** Id of the connection. */
    connection: string
    /** The platform the scenario was exported from. */
    platform: Platform
    /** Scenarios, or their number. */
    scenarios: number
  }>
  /** By framework, what the judged policies say of its controls. */
  framework_coverage: Array<{
    /** Name of the framework, such as `SOC 2`. */
    framework: string
    /** Controls of the framework that a judged policy bears on. */
    assessed: number
    /** Assessed controls with an open violation. */
    gaps: number
    /** Assessed controls without an open violation. */
    clear: number
    /** Controls that the catalogue maps to and that nothing was judged for. */
    not_assessed: number
    /** Clear controls as a share of the assessed ones, 0 to 1; null when none was assessed. */
    coverage: number | null
    /** The controls with an open violation. */
    gap_controls: string[]
  }>
  /** The last twelve Mondays, 00:00 UTC, under the same catalogue version. */
  trend: Array<{
    /** When it happened. */
    at: Timestamp
    /** 0 to 100; 100 is clean. */
    score: number
    /** Scenarios judged under this catalogue version. */
    scenarios_evaluated: number
    /** Open violations by severity. */
    open_violations: ViolationsBySeverity
  }>
}

/** Numbers of violations. */
export type ViolationsBySeverity = {
  /** Open violations of severity critical. */
  critical: number
  high: number
  medium: number
  low: number
  info: number
}

/** A request of the organization as its audit row has it. */
export type AuditedRequest = {
  /** The `X-FB-Watermark` that the answer or webhook carried. */
  watermark: string
  /** When it happened. */
  at: Timestamp
  /** The first 12 characters of the key. */
  key_prefix: string | null
  /** Who did it, where it was no key: `session:<sub>` of a person, the operator, or a part of the service. */
  actor: string | null
  method: string
  /** Pattern of the path, without its values. */
  route: string
  /** Status; of an exchange, its HTTP status. */
  status: number
  /** Code of the policy, such as `SEC-001`. */
  code: string | null
  /** Address that the request came from. */
  ip: string
  /** As the client sent it. */
  user_agent: string | null
  /** True when the rate limits were judged by this instance alone, because the shared store was away. */
  degraded: boolean
}

/** A page of requests, newest first. */
export type RequestList = {
  requests: AuditedRequest[]
  /** Give it as `cursor` for the next page; null on the last one. */
  next_cursor: string | null
}

/** Where a watermark was: one of `request` and `webhook` is not null. */
export type ResolvedMark = {
  /** The `X-FB-Watermark` that the answer or webhook carried. */
  watermark: string
  /** Whether an answer or a webhook carried it. */
  source: 'request' | 'webhook'
  /** When it happened. */
  at: Timestamp
  request: AuditedRequest | null
  webhook: {
    /** Id of the record. */
    id: string
    delivery_id: string
    /** Name of the event. */
    event: string
    /** Id of the evaluation: `req_` and a ULID. */
    evaluation_id: string | null
    /** State of the record. */
    state: string
  } | null
}

/** Without `scenario_id` and `finding` it covers the whole organization. */
export type SuppressionCreateBody = {
  /** Code of the policy, such as `SEC-001`. */
  code: string
  /** Id of a scenario: `scn_` and a ULID with its checksum. */
  scenario_id?: string
  /** One finding, instead of a whole scenario. */
  finding?: {
    /** Id of a scenario: `scn_` and a ULID with its checksum. */
    scenario_id: string
    /** Opaque; this one finding identifies the answer it came from (`fb trace`). */
    ref: string
  }
  /** Why. */
  reason: string
  /** When it ends. */
  expires_at?: string
}

/** What the organization decided to live with. */
export type Suppression = {
  /** Id of the record. */
  id: string
  /** Code of the policy, such as `SEC-001`. */
  code: string
  /** What it covers. */
  scope: 'organization' | 'scenario' | 'finding'
  /** Id of a scenario: `scn_` and a ULID with its checksum. */
  scenario_id: string | null
  /** Why. */
  reason: string
  /** State of the record. */
  state: 'active' | 'expired' | 'withdrawn'
  /** True while a second key must approve it before it counts. */
  awaits_approval: boolean
  /** Id of the key that made it. */
  created_by: string
  /** When it was made. */
  created_at: Timestamp
  /** When it ends. */
  expires_at: Timestamp
  /** Id of the key that approved it. */
  approved_by: string | null
  /** When another key approved it; null when nobody did, or nobody needs to. */
  approved_at: Timestamp | null
  /** Id of the key that withdrew it. */
  withdrawn_by: string | null
  /** When it was withdrawn. */
  withdrawn_at: Timestamp | null
}

/** A page of suppressions. */
export type SuppressionList = {
  /** Newest first. */
  suppressions: Suppression[]
  /** Give it as `cursor` for the next page; null on the last one. */
  next_cursor: string | null
}

/** An event that can be subscribed to. */
export type WebhookEvent = 'evaluation.complete' | 'evaluation.error' | 'webhook.disabled'

/** A new subscription. */
export type WebhookCreateBody = {
  /** Where to deliver. HTTPS; an address that is not public is refused. */
  url: string
  /** Events to deliver. */
  events: WebhookEvent[]
  /** In one sentence. */
  description?: string
}

/** What to change; what is left out stays. */
export type WebhookPatchBody = {
  /** Where to deliver. HTTPS; an address that is not public is refused. */
  url?: string
  /** Events to deliver. */
  events?: WebhookEvent[]
  /** In one sentence. */
  description?: string | null
  /** False while nothing is delivered. */
  is_active?: boolean
}

/** A subscription. */
export type Webhook = {
  /** Id of the record. */
  id: string
  /** Where to deliver. HTTPS; an address that is not public is refused. */
  url: string
  /** Events to deliver. */
  events: string[]
  /** In one sentence. */
  description: string | null
  /** False while nothing is delivered. */
  is_active: boolean
  /** When it was made. */
  created_at: Timestamp
  /** When it last changed. */
  updated_at: Timestamp
  /** When it was switched off; null while it is on. */
  disabled_at: Timestamp | null
  /** `failing` when it was switched off because nothing arrived. */
  disabled_reason: string | null
  /** When the first delivery of the present failure was given up. */
  failing_since: Timestamp | null
  /** When a delivery was last acknowledged. */
  last_success_at: Timestamp | null
  /** When it was last pinged while switched off. */
  last_probe_at: Timestamp | null
}

/** The organization's subscriptions, at most 20. */
export type WebhookList = {
  webhooks: Webhook[]
}

/** The subscription, and its secret, shown this once. */
export type WebhookCreated = {
  /** Id of the record. */
  id: string
  /** Where to deliver. HTTPS; an address that is not public is refused. */
  url: string
  /** Events to deliver. */
  events: string[]
  /** In one sentence. */
  description: string | null
  /** False while nothing is delivered. */
  is_active: boolean
  /** When it was made. */
  created_at: Timestamp
  /** When it last changed. */
  updated_at: Timestamp
  /** When it was switched off; null while it is on. */
  disabled_at: Timestamp | null
  /** `failing` when it was switched off because nothing arrived. */
  disabled_reason: string | null
  /** When the first delivery of the present failure was given up. */
  failing_since: Timestamp | null
  /** When a delivery was last acknowledged. */
  last_success_at: Timestamp | null
  /** When it was last pinged while switched off. */
  last_probe_at: Timestamp | null
  /** Signs every delivery. Shown in this answer only. */
  signing_secret: string
  /** Says that the secret will not be shown again. */
  warning: string
}

/** The new secret, shown this once. */
export type WebhookSecret = {
  /** Id of the record. */
  id: string
  /** Signs every delivery. Shown in this answer only. */
  signing_secret: string
  /** Says that the secret will not be shown again. */
  warning: string
}

/** The subscription is gone. */
export type WebhookDeleted = {
  /** Id of the record. */
  id: string
  deleted: true
}

/** A delivery and its attempts. */
export type Delivery = {
  /** Id of the record. */
  id: string
  /** The `webhook-id` of the delivery; the same whenever this event is sent again. */
  message_id: string
  /** Name of the event. */
  event: string
  /** Id of the evaluation: `req_` and a ULID. */
  evaluation_id: string | null
  /** State of the record. */
  state: string
  /** Every attempt made so far. */
  attempts: DeliveryAttempt[]
  /** When the next attempt is due; null when there is none. */
  next_attempt_at: Timestamp | null
  /** The `X-FB-Watermark` that the answer or webhook carried. */
  watermark: string
  /** The delivery that this one repeats. */
  replay_of: string | null
  /** When it was made. */
  created_at: Timestamp
  /** When no further attempt will be made. */
  finished_at: Timestamp | null
}

/** An attempt; `status` is null when there was no answer, `error` null when it was acknowledged. */
export type DeliveryAttempt = {
  /** When it happened. */
  at: Timestamp
  /** Status; of an exchange, its HTTP status. */
  status: number | null
  /** Why there is no result. */
  error: string | null
  /** How long the attempt took, in milliseconds. */
  duration_ms: number
}

/** A page of deliveries, newest first. */
export type DeliveryList = {
  /** Newest first. */
  deliveries: Delivery[]
  /** Give it as `cursor` for the next page; null on the last one. */
  next_cursor: string | null
}

/** The delivery that was queued. */
export type DeliveryQueued = {
  delivery: Delivery
}

/** Which deliveries to send again. */
export type ReplayBody = {
  /** From this time on, RFC 3339. */
  since: string
  /** Which deliveries; default both. */
  states?: Array<'delivered' | 'failed'>
}

/** How many were queued. */
export type ReplayQueued = {
  /** Deliveries that will be sent again, at most 1000. */
  queued: number
  /** Give it as `since` to go on; null when all were queued. */
  next_since: Timestamp | null
}

/** What was found in a scenario. */
export type EventScenario = {
  /** Id of the record. */
  id: string
  /** Name as the platform shows it. */
  name: string
  /** 0 to 100; 100 is clean. */
  score: number
  /** Open violations, or their number. */
  violations: Violation[]
  /** The modules with open violations. */
  module_summary: ModuleSummary[]
  /** Policies that were judged. */
  evaluated_codes: string[]
  /** Judged policies without an open violation. */
  passing_count: number
  /** Judged policies with at least one open violation. */
  failing_count: number
}

/** Every scenario of an evaluation has its outcome. */
export type EvaluationCompleteEvent = {
  event: 'evaluation.complete'
  /** Id of the evaluation: `req_` and a ULID. */
  evaluation_id: string
  /** Id of the organization. */
  organization_id: string
  /** Scenarios, or their number. */
  scenarios: Array<EventScenario | FailedScenario>
}

/** An evaluation could not be finished. */
export type EvaluationErrorEvent = {
  event: 'evaluation.error'
  /** Id of the evaluation: `req_` and a ULID. */
  evaluation_id: string
  /** Id of the organization. */
  organization_id: string
  /** Why there is no result. */
  error: string
  /** Scenarios, or their number. */
  scenarios: Array<EventScenario | FailedScenario>
}

/** Another webhook of the organization was switched off. */
export type WebhookDisabledEvent = {
  event: 'webhook.disabled'
  /** Id of the organization. */
  organization_id: string
  /** Id of the webhook: `sub_` and a ULID with its checksum. */
  webhook_id: string
  /** Why. */
  reason: string
  /** When the first delivery of the present failure was given up. */
  failing_since: Timestamp | null
}

/** A test or a probe. */
export type WebhookPingEvent = {
  event: 'webhook.ping'
  /** Id of the organization. */
  organization_id: string
  /** Id of the webhook: `sub_` and a ULID with its checksum. */
  webhook_id: string
}

/** What a program matches on. Never changes its meaning. */
export type ErrorCode = 'malformed_request' | 'invalid_api_key' | 'result_token_invalid' | 'signature_missing' | 'signature_invalid' | 'signature_replayed' | 'ip_not_allowed' | 'organization_mismatch' | 'insufficient_permission' | 'browser_refused' | 'https_required' | 'not_found' | 'method_not_allowed' | 'request_timeout' | 'evaluation_incomplete' | 'idempotency_conflict' | 'result_token_used' | 'payload_too_large' | 'uri_too_long' | 'unsupported_media_type' | 'blueprint_invalid' | 'rate_limited' | 'headers_too_large' | 'internal_error' | 'api_disabled' | 'unavailable'

/** One place that was refused. */
export type FieldProblem = {
  /** RFC 6901 pointer into the body, or the name of a header. */
  path: string
  /** What is wrong with it. */
  reason: string
}

/** The envelope of every refusal. */
export type Refusal = {
  ok: false
  /** The fixed sentence of the code. Never changes. */
  error: 'Malformed request' | 'Invalid or expired API key' | 'Invalid or expired result token' | 'Missing request signature' | 'Invalid request signature' | 'Request signature already used' | 'IP address not allowed' | 'Organization mismatch' | 'Insufficient permission' | 'Browser requests are not allowed' | 'HTTPS required' | 'Not found' | 'Method not allowed' | 'Request timeout' | 'Evaluation is not complete' | 'Idempotency key already used with another request' | 'Result token already used' | 'Payload too large' | 'URI too long' | 'Unsupported media type' | 'Blueprint not understood' | 'Rate limit exceeded' | 'Request header fields too large' | 'Internal server error' | 'Public API is disabled' | 'Service temporarily unavailable'
  code: ErrorCode
  /** Only where it is of use. */
  detail?: string | FieldProblem[]
  meta: Meta
}
