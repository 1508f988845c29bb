import { evaluateGraph } from '../../evaluation/evaluate.ts'
import { FACTS_VERSION } from '../../evaluation/graph/types.ts'
import type { Fact, FactClass, FactGraph, FlowEdge, FlowNode, FlowSettings, Platform, Severity } from '../../evaluation/graph/types.ts'

export const WEBHOOK = 'n8n-nodes-base.webhook'

export function node (key: string, parts: Partial<FlowNode> = {}): FlowNode {
  return {
    key,
    pointer: `/nodes/${key}`,
    type: 'test:step',
    app: 'test',
    op: 'step',
    version: 1,
    kind: 'action',
    effects: [],
    label: `Step ${key}`,
    disabled: false,
    orphan: false,
    depth: 0,
    connections: [],
    gated: false,
    onError: 'stop',
    retry: false,
    approval: false,
    facts: [],
    refs: [],
    noted: false,
    ...parts
  }
}

export function fact (classes: FactClass[], parts: Partial<Fact> = {}): Fact {
  return { pointer: '/nodes/x/parameters/0/value', field: 'value', kind: 'literal', classes, ...parts }
}

export function edge (from: number, to: number, parts: Partial<FlowEdge> = {}): FlowEdge {
  return { from, to, kind: 'flow', slot: 0, gated: false, ...parts }
}

const SETTINGS: FlowSettings = {
  active: true,
  errorWorkflow: true,
  dlq: false,
  dataloss: false,
  confidential: false,
  autoCommit: true,
  sequential: false,
  subWorkflow: false,
  template: false
}

export interface Shape { edges?: FlowEdge[], entries?: number[], settings?: Partial<FlowSettings>, notes?: number, factsVersion?: number }

/** A graph whose nodes follow one another from the first, unless `edges` says otherwise. Quiet on its own: no rule fires. */
export function graph (platform: Platform, nodes: FlowNode[], shape: Shape = {}): FactGraph {
  return {
    factsVersion: shape.factsVersion ?? FACTS_VERSION,
    tablesVersion: 'test',
    platform,
    name: 'A scenario',
    nodes,
    edges: shape.edges ?? nodes.slice(1).map((_, index) => edge(index, index + 1)),
    entries: shape.entries ?? (nodes.length > 0 ? [0] : []),
    settings: { ...SETTINGS, ...shape.settings },
    notes: shape.notes ?? 0,
    problems: [],
    dropped: []
  }
}

/** A trigger nobody outside can fire, so that only the part under test speaks. */
export function quietTrigger (platform: Platform): FlowNode {
  const type = platform === 'n8n' ? 'n8n-nodes-base.scheduleTrigger' : 'google-sheets:watchRows'
  return node('start', { type, kind: 'trigger' })
}

export const BOTH: readonly Platform[] = ['make', 'n8n']

export interface Outcome { evaluated: boolean, severities: Severity[], messages: string[], modules: (string | null)[] }

/** What one rule says about a graph. */
export function outcome (subject: FactGraph, code: string): Outcome {
  const result = evaluateGraph(subject)
  const found = result.violations.filter((finding) => finding.code === code)
  return {
    evaluated: result.evaluatedCodes.includes(code),
    severities: found.map(({ severity }) => severity),
    messages: found.map(({ message }) => message),
    modules: found.map(({ module }) => module === null ? null : module.id)
  }
}
