/** n8n workflow → fact graph. Connections use names; whatever names nothing is a problem of the graph, not of the import. */
import { addEdge, addNode, keepFacts, newDraft, type Draft } from './draft.ts'
import { checksAuthentication, isObject, pointerStep, type Leaf } from './leaves.ts'
import { safeLabel } from './patterns.ts'
import { effectsOf, httpEffects, n8nDefaultOperation, n8nKind } from './tables.ts'
import type { EdgeKind, Effect, FlowNode, ImportResult, NodeConnection, NodeKind } from './types.ts'

const LABEL_CHARS_MAX = 80
const OPEN_ENTRIES = new Set(['webhook', 'formTrigger', 'mcpTrigger', 'chatTrigger'])
const BRANCHING = new Set(['if', 'switch', 'filter', 'textClassifier'])

export function importN8n (workflow: Record<string, unknown>): ImportResult {
  const draft = newDraft('n8n', workflow['name'])
  readSettings(draft, workflow)
  const nodes = Array.isArray(workflow['nodes']) ? workflow['nodes'] : []
  // What the file calls a node, even when that name may not be kept.
  const byName = new Map<string, number>()
  for (const [position, node] of nodes.entries()) {
    if (!isObject(node) || typeof node['type'] !== 'string') draft.graph.problems.push({ code: 'skipped_object', pointer: `/nodes/${position}`, message: 'An entry is not a node.' })
    else if (/stickyNote$/.test(node['type'])) draft.graph.notes++
    else {
      const name = typeof node['name'] === 'string' && node['name'] !== '' ? node['name'] : `node-${position}`
      const index = addN8nNode(draft, node, name, position)
      if (!byName.has(name)) byName.set(name, index)
    }
  }
  connect(draft, workflow, byName)
  draft.graph.entries = draft.graph.nodes.flatMap((node, index) => node.kind === 'trigger' && !node.disabled ? [index] : [])
  markErrorTests(draft)
  return { ok: true, graph: draft.graph }
}

function readSettings (draft: Draft, workflow: Record<string, unknown>): void {
  const { graph } = draft
  const settings = isObject(workflow['settings']) ? workflow['settings'] : {}
  const meta = isObject(workflow['meta']) ? workflow['meta'] : {}
  graph.settings.active = typeof workflow['active'] === 'boolean' ? workflow['active'] : null
  graph.settings.errorWorkflow = typeof settings['errorWorkflow'] === 'string' && settings['errorWorkflow'] !== ''
  graph.settings.template = meta['templateId'] !== undefined && meta['templateId'] !== null
  if (typeof workflow['description'] === 'string' && workflow['description'] !== '') graph.notes++
  const pinned = workflow['pinData']
  if (isObject(pinned)) for (const name of Object.keys(pinned)) graph.dropped.push(`/pinData/${pointerStep(safeLabel(name, LABEL_CHARS_MAX))}`)
  for (const name of ['staticData', 'executionData', 'runData']) if (isObject(workflow[name]) && Object.keys(workflow[name]).length > 0) graph.dropped.push(`/${name}`)
}

function addN8nNode (draft: Draft, raw: Record<string, unknown>, name: string, position: number): number {
  const type = safeLabel(String(raw['type']), LABEL_CHARS_MAX)
  const app = type.split('.').at(-1) ?? type
  const parameters = isObject(raw['parameters']) ? raw['parameters'] : {}
  const pointer = `/nodes/${position}`
  const op = typeof parameters['operation'] === 'string' ? safeLabel(parameters['operation'], LABEL_CHARS_MAX) : n8nDefaultOperation(app)
  const label = safeLabel(name, LABEL_CHARS_MAX)
  const authentication = authenticationOf(app, parameters)
  const node: FlowNode = {
    key: label === '(redacted)' ? `node-${position}` : label,
    label,
    pointer,
    type,
    app,
    op,
    version: Number(raw['typeVersion'] ?? 1) || 1,
    kind: kindOf(app),
    effects: effectsOfNode(app, op, parameters, authentication),
    disabled: raw['disabled'] === true,
    orphan: false,
    depth: 0,
    connections: connectionsOf(draft, raw['credentials'], pointer),
    gated: false,
    onError: raw['onError'] === 'continueErrorOutput' ? 'route' : raw['onError'] === 'continueRegularOutput' || raw['continueOnFail'] === true ? 'continue' : 'stop',
    retry: raw['retryOnFail'] === true,
    ...(authentication === undefined ? {} : { authentication }),
    approval: (app === 'wait' && (parameters['resume'] === 'webhook' || parameters['resume'] === 'form')) || op === 'sendAndWait',
    facts: [],
    refs: [],
    noted: typeof raw['notes'] === 'string' && raw['notes'] !== ''
  }
  const options = isObject(parameters['options']) ? parameters['options'] : {}
  const additional = isObject(parameters['additionalFields']) ? parameters['additionalFields'] : {}
  const parameterised = options['queryReplacement'] !== undefined || additional['queryParams'] !== undefined
  const leaves = keepFacts(node, [{ root: parameters, pointer: `${pointer}/parameters` }], { platform: 'n8n', isSql: node.effects.includes('SQL'), parameterised })
  node.refs = referencesOf(leaves)
  if (BRANCHING.has(app) && checksAuthentication(leaves)) node.facts.push({ pointer: `${pointer}/parameters`, field: 'conditions', kind: 'expression', classes: ['auth-check'] })
  if ((BRANCHING.has(app) || node.kind === 'code') && leaves.some((leaf) => /\berror\b/.test(leaf.value))) node.testsError = true
  return addNode(draft, node)
}

function kindOf (app: string): NodeKind {
  if (/trigger$/i.test(app) || app === 'webhook' || app === 'cron' || app === 'interval' || app === 'start' || app === 'emailReadImap') return 'trigger'
  const known = n8nKind(app)
  if (known !== undefined) return known
  if (/^(?:lm|embeddings|chain|informationExtractor|sentimentAnalysis|openAi$|anthropic$|googleGemini$)/.test(app)) return 'ai'
  return 'action'
}

function authenticationOf (app: string, parameters: Record<string, unknown>): string | undefined {
  if (!OPEN_ENTRIES.has(app) && app !== 'httpRequest' && app !== 'wait') return undefined
  const value = parameters[app === 'wait' ? 'incomingAuthentication' : 'authentication']
  return typeof value === 'string' && value !== '' ? safeLabel(value, LABEL_CHARS_MAX) : 'none'
}

function effectsOfNode (app: string, op: string, parameters: Record<string, unknown>, authentication: string | undefined): Effect[] {
  if (OPEN_ENTRIES.has(app)) {
    const isOpen = authentication === 'none' && (app !== 'chatTrigger' || parameters['public'] === true)
    return isOpen ? ['INGRESS', 'OPEN'] : ['INGRESS']
  }
  if (kindOf(app) === 'trigger') return /^(?:schedule|manual|cron|interval|start|error|executeWorkflow)/.test(app) ? [] : ['INGRESS', 'READ']
  if (/^(?:httpRequest|toolHttpRequest|httpRequestTool)$/.test(app)) return httpEffects(String(parameters['method'] ?? parameters['requestMethod'] ?? 'GET'), String(parameters['url'] ?? ''))
  if (app === 'code' || app === 'function' || app === 'functionItem' || app === 'toolCode') return ['CODE']
  if (app === 'respondToWebhook') return ['RESPOND']
  if (app === 'agent') return ['AI', 'EGRESS']
  if (/^lm.*ollama/i.test(app)) return ['AILOCAL']
  return effectsOf(app.replace(/Tool$/, ''), op === '' ? '' : op)
}

function connectionsOf (draft: Draft, credentials: unknown, pointer: string): NodeConnection[] {
  if (!isObject(credentials)) return []
  return Object.entries(credentials).map(([slot, credential]) => {
    if (isObject(credential) && Object.keys(credential).some((name) => !/^(?:id|name|__aiGatewayManaged)$/.test(name))) draft.graph.dropped.push(`${pointer}/credentials/${pointerStep(safeLabel(slot, LABEL_CHARS_MAX))}`)
    const id = isObject(credential) ? credential['id'] : null
    return { slot: safeLabel(slot, LABEL_CHARS_MAX), ref: typeof id === 'string' && /^[A-Za-z0-9-]{1,64}$/.test(id) && safeLabel(id, 64) === id ? id : null }
  })
}

function referencesOf (leaves: readonly Leaf[]): string[] {
  const refs = new Set<string>()
  for (const { value } of leaves) {
    for (const match of value.matchAll(/\$(?:node\[|items\(|\()\s*["']([^"'\n]{1,200})["']/g)) if (match[1] !== undefined) refs.add(safeLabel(match[1], LABEL_CHARS_MAX))
  }
  return [...refs]
}

function connect (draft: Draft, workflow: Record<string, unknown>, byName: ReadonlyMap<string, number>): void {
  const connections = workflow['connections']
  if (!isObject(connections)) return
  for (const [source, types] of Object.entries(connections)) {
    const from = byName.get(source)
    if (from === undefined) dangling(draft, 'A connection starts at a node that does not exist.')
    if (from === undefined || !isObject(types)) continue
    for (const [type, slots] of Object.entries(types)) {
      if (!Array.isArray(slots)) continue
      for (const [slot, targets] of slots.entries()) {
        for (const target of Array.isArray(targets) ? targets : []) {
          const name: unknown = isObject(target) ? target['node'] : undefined
          const to = typeof name === 'string' ? byName.get(name) : undefined
          if (to === undefined) dangling(draft, 'A connection leads to a node that does not exist.')
          else addEdge(draft, from, to, edgeKind(draft.graph.nodes[from], type, slot, slots.length), slot)
        }
      }
    }
  }
}

function dangling (draft: Draft, message: string): void {
  draft.graph.problems.push({ code: 'dangling_edge', pointer: '/connections', message })
}

function edgeKind (from: FlowNode | undefined, type: string, slot: number, slots: number): EdgeKind {
  if (type === 'ai_tool') return 'tool'
  if (type !== 'main') return type === 'error' ? 'error' : 'ai'
  const expected = from !== undefined && BRANCHING.has(from.app) ? 2 : 1
  if (from?.onError === 'route' && slot === slots - 1 && slot >= expected) return 'error'
  if (from?.app === 'splitInBatches') return slot === 1 ? 'loop' : 'flow'
  return from !== undefined && BRANCHING.has(from.app) ? 'branch' : 'flow'
}

// An error trigger makes the workflow the one that others call when they fail.
function markErrorTests (draft: Draft): void {
  const { graph } = draft
  graph.settings.subWorkflow = graph.nodes.some((node) => /^executeWorkflowTrigger$/.test(node.app))
}
