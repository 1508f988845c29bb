/** Examples for the document: a value of a schema, with what each field holds by its name on the wire. The linter judges them against their schemas. */
import type { Json, JsonObject } from './components.ts'
import { nameOf, namesAt, objectAt, objectsAt, textAt } from './page/nodes.ts'

const WATERMARK = 'wm_0m8x2k7v9q4t1c6z3b5n8r0w2y4h6j8d1f3s'
const SCENARIO = 'scn_01KAZ5A0R2W6P9K4T8D1J3G7YB'
const BLUEPRINT = { name: 'Support triage', flow: [{ id: 1, module: 'gateway:CustomWebHook', version: 1, parameters: {}, mapper: {} }], metadata: { version: 1 } }

/** Schemas whose fields depend on each other. */
const WHOLE: Readonly<Record<string, Json>> = {
  EvaluateBody: { scenario_ids: [SCENARIO], org_id: 'org_01KAZ59H5M8Q1S4W7Y0B3D6F9J' },
  InlineBlueprint: { id: 'support-triage', blueprint: BLUEPRINT },
  SuppressionCreateBody: { code: 'NET-001', scenario_id: SCENARIO, reason: 'Moves behind the gateway in January', expires_at: '2027-01-31T00:00:00Z' },
  WebhookPatchBody: { is_active: true },
  KeyPatchBody: { rpm: 120, reason: 'Month-end runs' },
  KeyCreateBody: { name: 'Nightly export', permissions: ['governance:read', 'governance:evaluate'], ip_allowlist: ['203.0.113.0/24'], reason: 'Integration of the export' },
  KeyRotateBody: { grace_period_hours: 24, reason: 'Quarterly' },
  ScenarioImportBody: { blueprints: [{ name: 'Support triage', blueprint: BLUEPRINT }] },
  ReplayBody: { since: '2026-11-25T00:00:00Z', states: ['failed'] }
}

/** Candidates by field; the first of the schema's type is taken. */
const FIELDS: Readonly<Record<string, readonly Json[]>> = {
  id: [SCENARIO],
  scenario_id: [SCENARIO],
  org_id: ['org_01KAZ59H5M8Q1S4W7Y0B3D6F9J'],
  organization_id: ['org_01KAZ59H5M8Q1S4W7Y0B3D6F9J'],
  evaluation_id: ['req_01KAZ5D3V8Q4N7M2X6C9B1F5HT'],
  webhook_id: ['sub_01KAZ5C1N4V7Z0R3K6T9B2F5HM'],
  delivery_id: ['dlv_01KAZ5E6Q9S2W5Y8C1G4J7N0RD'],
  key_id: ['key_01KAZ5B9G2K5N8R1T4W7Z0C3E6'],
  message_id: ['msg_01KAZ5E6Q9S2W5Y8C1G4J7N0RD'],
  result_token: ['eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl'],
  watermark: [WATERMARK],
  name: ['Support triage'],
  title: ['Webhook accepts unauthenticated calls'],
  description: ['An entry that anybody can call without a credential.'],
  message: ['The webhook at the entry checks no signature and no credential.'],
  reason: ['Accepted until the move'],
  error: ['The blueprint could not be judged in time.'],
  code: ['SEC-001'],
  codes: [['SEC-001']],
  evaluated_codes: [['SEC-001', 'NET-001']],
  frameworks: [['SOC 2 CC6.1']],
  compliance_gaps: [['SOC 2 CC6.1']],
  gap_controls: [['CC6.1']],
  framework: ['SOC 2'],
  ref: ['vio_3k8s0d2m5q7v1x4z6b9c'],
  type: ['gateway:CustomWebHook'],
  score: [85],
  worst_score: [62],
  points: [15],
  coverage: [0.9],
  modules: [7],
  completed: [2],
  total_scenarios: [2],
  catalogue_version: ['2026.11'],
  version: ['1.0.0'],
  service: ['flowbeacon-public-api'],
  event: ['evaluation.complete'],
  url: ['https://hooks.example.com/flowbeacon'],
  signing_secret: ['whsec_…'],
  key: ['fb_live_…'],
  prefix: ['fb_live_0123'],
  key_prefix: ['fb_live_0123'],
  permissions: [['governance:read']],
  ip: ['203.0.113.7'],
  ip_allowlist: [['203.0.113.0/24']],
  actor: [null, 'session:user-1'],
  created_by: ['key_01KAZ5B9G2K5N8R1T4W7Z0C3E6'],
  method: ['GET'],
  route: ['/api/public/v1/governance/policies'],
  status: [200],
  user_agent: ['partner-sync/2.1'],
  duration_ms: [84],
  order: [1],
  rpm: [60],
  rph: [1000],
  grace_period_hours: [24],
  state: ['active'],
  confidence: ['high'],
  rationale: ['Whoever knows the address can start the scenario.'],
  detection: ['Looks at every entry for a check of a signature or a credential.'],
  steps: [['Verify a signature in the first module.']],
  make: [['Verify a signature in the first module.']],
  n8n: [['Set the authentication of the Webhook node.']],
  connection: ['1841203'],
  dropped: [['/pinData']],
  warning: ['Store it now: it is shown this once.'],
  action: ['changed'],
  created_at: ['2026-11-24T09:30:00.000Z'],
  // Null where it is the usual thing to be.
  next_cursor: [null],
  expires_at: ['2027-02-24T09:30:00.000Z', null],
  revoked_at: [null],
  replaces: [null],
  replaced_by: [null],
  grace_until: [null],
  disabled_at: [null],
  disabled_reason: [null],
  failing_since: [null],
  last_probe_at: [null],
  next_attempt_at: [null],
  replay_of: [null],
  approved_by: [null],
  approved_at: [null],
  withdrawn_by: [null],
  withdrawn_at: [null],
  notice_days: [null],
  next_since: [null]
}
const TIME = '2026-11-26T09:30:00.000Z'
const DEPTH_MAX = 24

/** A value of the schema; `schemas` are the components that it may refer to. */
export function sampleOf (schema: Json | undefined, schemas: JsonObject): Json {
  return valueOf(objectAt(schema), '', schemas, 0)
}

function valueOf (schema: JsonObject, name: string, schemas: JsonObject, depth: number): Json {
  if (depth > DEPTH_MAX) return null
  const { $ref: ref, const: constant, enum: members, anyOf, properties, items, format } = schema
  if (typeof ref === 'string') return WHOLE[nameOf(ref)] ?? valueOf(objectAt(schemas[nameOf(ref)]), name, schemas, depth + 1)
  if (constant !== undefined) return constant
  const types = typeof schema['type'] === 'string' ? [schema['type']] : namesAt(schema['type'])
  const fitting = FIELDS[name]?.find((value) => types.includes(typeNameOf(value)) || (typeNameOf(value) === 'integer' && types.includes('number')))
  if (Array.isArray(members)) return members.find((member) => member === fitting) ?? members[0] ?? null
  if (fitting !== undefined && (FIELDS[name]?.[0] === null || properties === undefined)) return fitting
  if (Array.isArray(anyOf)) {
    if (FIELDS[name]?.[0] === null && objectsAt(anyOf).some(({ type }) => type === 'null')) return null
    return valueOf(objectsAt(anyOf)[0] ?? {}, name, schemas, depth + 1)
  }
  if (properties !== undefined) return Object.fromEntries(Object.entries(objectAt(properties)).map(([field, shape]) => [field, valueOf(objectAt(shape), field, schemas, depth + 1)]))
  if (types.includes('array')) return [valueOf(objectAt(items), name, schemas, depth + 1)]
  if (types.includes('object')) return {}
  if (types.includes('integer') || types.includes('number')) return Math.max(1, Number(schema['minimum'] ?? 1))
  if (types.includes('boolean')) return false
  if (format === 'date-time' || /(_at|_until|since|until|^at)$/.test(name)) return TIME
  return textAt(schema['default']) || 'text'
}

function typeNameOf (value: Json): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  return typeof value === 'number' && Number.isInteger(value) ? 'integer' : typeof value
}
