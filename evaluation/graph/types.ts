/**
 * The fact graph: what is known of a blueprint once its strings are gone. It is the only form in which a scenario is stored.
 * Every string of a configuration is reduced to a `Fact`: where it stood, what kind it was, and which pattern classes it
 * matched. Values never pass this boundary; labels are length-limited and stripped of control characters.
 */

/** Raised whenever extraction learns a new fact. Rules name the least version they need. */
export const FACTS_VERSION = 3

export type Platform = 'make' | 'n8n'

export type NodeKind = 'trigger' | 'action' | 'search' | 'http' | 'ai' | 'agent' | 'code' | 'router' | 'branch' | 'merge'
  | 'iterator' | 'aggregator' | 'transform' | 'store' | 'sub' | 'response' | 'directive' | 'wait' | 'unknown'

export type Effect = 'INGRESS' | 'OPEN' | 'EGRESS' | 'READ' | 'WRITE' | 'DELETE' | 'MESSAGE' | 'MONEY' | 'IDENTITY' | 'SQL'
  | 'SHELL' | 'FILES' | 'CODE' | 'AI' | 'AILOCAL' | 'SHEET' | 'PUBLISH' | 'RESPOND'

export type EdgeKind = 'flow' | 'route' | 'branch' | 'merge' | 'loop' | 'error' | 'tool' | 'ai' | 'feed'

export type LeafKind = 'literal' | 'expression' | 'template' | 'code'

/** Pattern classes a string can match. Added to, never renamed: stored graphs carry them. */
export type FactClass =
  | 'provider-token' // SEC-001: fixed-prefix provider token, PEM or JWT, not a placeholder
  | 'secret-literal' // SEC-002: secret-named field holding a high-entropy literal
  | 'plain-http-public' // NET-001: URL field, literal http:// to a public host
  | 'data-reference' // the string reads data of another module or of the trigger; the platform's own variables are none
  | 'reads-input' // n8n: it reads the item that the node receives, without naming a node
  | 'sql-text' // the string is an SQL statement field (query-like) of an SQL module
  | 'sql-parameterised' // the module passes values through its parameter list (attached to the query leaf)
  | 'auth-check' // a condition that compares a header, token, secret or signature
  | 'status-check' // a condition that compares the status of an HTTP answer
  | 'secret-in-url' // SEC-004: URL field with a literal secret in its query or user information
  | 'capability-url' // SEC-005: an address that is its own key
  | 'key-material' // SEC-006: a field for a private key or recovery phrase
  | 'internal-host' // NET-004: URL field, loopback, private or link-local host
  | 'metadata-host' // NET-004: URL field, a cloud's metadata service
  | 'tunnel-host' // NET-005: URL field, a tunnel or request inspection service
  | 'cleartext-url' // NET-003: literal address of an unencrypted protocol on a public host
  | 'dynamic-host' // INJ-003: URL field whose host data decides
  | 'command-text' // INJ-002: the command of a shell module
  | 'dynamic-code' // INJ-004: code that evaluates text or reaches the host
  | 'personal-data' // DAT-002: references read a field of the personal lexicon
  | 'sensitive-data' // DAT-003: references read a field of the sensitive lexicon
  | 'card-data' // DAT-001: references or the field name are of the payment card lexicon
  | 'idempotency' // ERR-008: a field that carries an idempotency key

/** What a module's settings say of it, in words of ours. Added to, never renamed. */
export type NodeTrait =
  | 'handmade-auth' // HTTP module without stored authentication and with an authorization header
  | 'hook-guarded' // an entry with an address allow-list or API keys of its own
  | 'personal-connection' // a connection labelled with an address at a consumer mail provider
  | 'tls-unverified' // the certificate check is switched off
  | 'cleartext-protocol' // an unencrypted protocol is chosen, or is the default
  | 'http-errors-pass' // an HTTP error counts as success
  | 'public-share' // shares a file or object with anyone
  | 'no-fallback' // a router without a way for what fits no route
  | 'break-unretried' // Make: a Break that retries never, endlessly or without pause
  | 'setup-error' | 'setup-warning' // Make: what the designer itself reports
  | 'community' // a component from outside the vendor's packages
  | 'superseded' | 'old-version' // replaced by another component, or by a later version of itself
  | 'host-access' // reaches the machine that it runs on
  | 'dynamic-sub' // a sub-workflow that is chosen at run time
  | 'answers-by-node' // n8n: the webhook is answered by a node of its own
  | 'redacts' // takes personal data out of what passes
  | 'constants' // sets fields, and reads no data to do so
  | 'passes-input' // a setter that hands on what it received beside what it sets
  | 'unknown-type' // a type that the platform's table of components does not hold
  | 'wide-scopes' // the metadata of its connection shows scopes that are unlimited or unknown
  | 'calls-own-hook' // Make: sends to the hook that starts the same scenario

export interface Fact {
  /** RFC 6901 pointer into the source document. */
  pointer: string
  /** Effective field name: for `{ name: "Authorization", value }` it is `Authorization`. At most 64 characters. */
  field: string
  kind: LeafKind
  classes: FactClass[]
  /** For `provider-token`: the provider's name, e.g. `openai`. From our own table, never from the file. */
  provider?: string
  /** For statements, commands, code and hosts that data decides: keys of the nodes that this string reads by name. */
  refs?: string[]
}

export interface NodeConnection { slot: string, ref: string | null }

export interface FlowNode {
  /** Make: String(id); n8n: name. Unique; a duplicate gets `#2`, `#3` and a problem of the graph. */
  key: string
  /** RFC 6901 pointer into the source document. */
  pointer: string
  /** `http:ActionSendData` or `n8n-nodes-base.httpRequest`. */
  type: string
  app: string
  op: string
  version: number
  kind: NodeKind
  effects: Effect[]
  /** Human label, at most 80 characters, no control characters; absent when the file has none. */
  label?: string
  disabled: boolean
  /** On the canvas but wired to nothing (Make orphans). */
  orphan: boolean
  depth: number
  connections: NodeConnection[]
  /** A filter on the incoming edge (Make): present when it has conditions. */
  gated: boolean
  onError: 'stop' | 'continue' | 'route'
  /** Make: directive that ends the handler chain (`Ignore`, `Break`, …); null for own modules; absent without a handler. */
  directive?: string | null
  handlerOnlyDirective?: boolean
  retry: boolean
  /** n8n: authentication of an entry (`none` when absent), or of an HTTP module. */
  authentication?: string
  /** A human step that can refuse (wait for webhook or form, send-and-wait). */
  approval: boolean
  /** True when the step stands ready to check an error downstream (n8n `If` on `error`, error trigger). */
  testsError?: boolean
  /** Only leaves that matched at least one class are kept, in document order. */
  facts: Fact[]
  /** Keys of other nodes that its expressions read. */
  refs: string[]
  /** Has a note of its own (n8n node note). */
  noted: boolean
  /** Absent when there is none. */
  traits?: NodeTrait[]
}

export interface FlowEdge { from: number, to: number, kind: EdgeKind, slot: number, gated: boolean }

export interface FlowSettings {
  active: boolean | null
  errorWorkflow: boolean
  dlq: boolean
  dataloss: boolean
  confidential: boolean
  autoCommit: boolean
  sequential: boolean
  subWorkflow: boolean
  template: boolean
  zone?: string
  /** n8n: whether failed and successful runs are kept; absent where the file leaves it to the platform. */
  keepsErrors?: boolean
  keepsSuccesses?: boolean
  /** n8n: a redaction policy is set. */
  redacts?: boolean
}

/** Something in the file that could not be read; the rest is evaluated all the same. Never holds a value. */
export interface GraphProblem { code: string, pointer: string, message: string }

export interface FactGraph {
  factsVersion: number
  /** Of the tables and lexicons that the facts were read with. */
  tablesVersion: string
  platform: Platform
  /** At most 120 characters, control characters removed. */
  name: string
  nodes: FlowNode[]
  edges: FlowEdge[]
  /** Indices of nodes at which a run can start. */
  entries: number[]
  settings: FlowSettings
  /** Number of canvas notes and descriptions; their text is not kept. */
  notes: number
  problems: GraphProblem[]
  /** Facts of notes, descriptions and pinned data, which belong to no configuration; absent when there is none. */
  noteFacts?: Fact[]
  /**
   * n8n: nodes with pinned data; absent when there is none. `personal`: it holds fields of the personal lexicon or mail addresses.
   * `characters`: of all its texts together.
   */
  pinned?: { nodes: number, personal: boolean, characters: number }
  /** RFC 6901 pointers of what the file carried beyond shape (pinned data, execution data, credential contents) and was dropped. */
  dropped: string[]
}

export type ImportResult =
  | { ok: true, graph: FactGraph }
  /** `reason`: what is missing, in a sentence; never a value. */
  | { ok: false, reason: string }

export type Severity = 'critical' | 'high' | 'medium' | 'low' | 'info'
export type Confidence = 'certain' | 'likely' | 'possible'

/** One finding of a rule. Never holds a value from the blueprint except the module's own label. */
export interface Finding {
  code: string
  title: string
  severity: Severity
  confidence: Confidence
  module: { id: string, name: string, type: string } | null
  message: string
  frameworks: string[]
  /** SHA-256 based, stable over moves and renumbering. 32 hex characters. */
  fingerprint: string
  /** Pointer of the evidence; internal, not on the wire. */
  pointer: string
}

export interface ScenarioResult {
  catalogueVersion: string
  /** Of the tables and lexicons that the facts were read with. */
  tablesVersion: string
  platform: Platform
  score: number
  modules: number
  violations: Finding[]
  critical: number
  /** Sorted union of controls of findings at or above medium. */
  complianceGaps: string[]
  evaluatedCodes: string[]
  passingCount: number
  failingCount: number
  moduleSummary: { id: string, name: string, type: string, worst_severity: Severity, codes: string[], violations: number }[]
  problems: GraphProblem[]
}

export interface Policy {
  code: string
  title: string
  description: string
  severity: Severity
  confidence: Confidence
  platforms: Platform[]
  frameworks: string[]
  rationale: string
  detection: string
  remediation: { make?: string[], n8n?: string[] }
}
