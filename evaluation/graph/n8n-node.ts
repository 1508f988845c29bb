/** One n8n node: its facts, with the defaults that n8n leaves out of the file. */
import { httpEffects, n8nNature, type Nature } from './effects.ts'
import { factsOf, leavesOf, PLAIN, type Leaf, type Reading } from './leaves.ts'
import { isSqlField, looksLikeToken, readsError } from './patterns.ts'
import { cleanName, cleanText, fieldsOf, isFields, isFilled, isTrue, listOf, textOf, UNRECOGNISED_TYPE, versionOf, type Fields } from './shape.ts'
import { n8nDefaultOperation, verbOf } from './tables.ts'
import { n8nTraits } from './traits.ts'
import type { FlowNode, NodeConnection } from './types.ts'

const TYPE_LENGTH_MAX = 120
const TYPE = /^(?:@[\w.-]{1,60}\/)?[\w.-]{1,100}$/
const BASE = 'n8n-nodes-base.'
const LANGCHAIN = '@n8n/n8n-nodes-langchain.'
/** The only values kept of `authentication`; anything else, an expression for instance, is `other`. */
const AUTHENTICATIONS: ReadonlySet<string> = new Set(['none', 'basicAuth', 'headerAuth', 'jwtAuth', 'n8nOAuth2', 'n8nUserAuth', 'bearerAuth',
  'predefinedCredentialType', 'genericCredentialType'])
const ENTRIES: ReadonlySet<string> = new Set(['webhook', 'formTrigger', 'mcpTrigger', 'chatTrigger'])
const ERROR_READERS: ReadonlySet<string> = new Set(['if', 'switch', 'filter', 'code', 'function', 'functionItem'])
const OWN_VARIABLE = /^\s{0,8}\$(?:env|vars|execution|workflow|secrets)\b/
const READS_DATA = /\$(?:json|input|items?|binary|fromAI|prevNode|node)\b|\$\(/i
const READS_INPUT = /\$(?:json|input|binary|item)\b|\$items\(\s{0,8}\)/
const CODE_READS_INPUT = /\$(?:json|input|binary|item)\b|\b_?(?:items?|input|json)\b/
const REFERENCE = /\$(?:\(|node\[|items\() {0,8}(?:'((?:[^'\\\n]|\\.){1,200})'|"((?:[^"\\\n]|\\.){1,200})")|\$node\.(\w{1,100})/g

interface Identity { name: string, app: string, package: 'base' | 'ai' | null, community: boolean, hitl: boolean }

export function makeN8nNode (node: Fields, pointer: string, key: string, label: string): FlowNode {
  const stated = cleanText(textOf(node.type), TYPE_LENGTH_MAX)
  // A type is a name; anything else is somebody's text.
  const type = TYPE.test(stated) ? stated : UNRECOGNISED_TYPE
  const parameters = fieldsOf(node.parameters)
  const identity = identityOf(type)
  const operation = textOf(parameters.operation) || (n8nDefaultOperation(identity.name) ?? '')
  const nature = natureOf(identity, operation, parameters)
  const authentication = authenticationOf(identity.name, nature, parameters)
  if (ENTRIES.has(identity.name) && authentication === 'none' && isExposed(identity.name, parameters)) nature.effects.push('OPEN')
  const leaves = leavesOf(parameters, `${pointer}/parameters`)
  const sql = nature.effects.includes('SQL')
  const read = factsOf(leaves, { read: (leaf) => readLeaf(leaf, sql), sql, parameterised: isParameterised(parameters), shell: nature.effects.includes('SHELL'), ownVariable: OWN_VARIABLE })
  const readsData = read.facts.some(({ classes }) => classes.includes('data-reference'))
  const traits = n8nTraits(node, { ...identity, kind: nature.kind, authentication, readsData }, leaves)
  const testsError = identity.name === 'errorTrigger' || (ERROR_READERS.has(identity.name) && leaves.some(({ value }) => readsError(value)))
  return {
    key,
    pointer,
    type,
    app: identity.app,
    // Our own word for it: an operation is a value of the file.
    op: verbOf(operation)?.word ?? '',
    version: versionOf(node.typeVersion),
    ...nature,
    ...(label === '' ? {} : { label }),
    disabled: isTrue(node.disabled),
    orphan: false,
    depth: 0,
    connections: connectionsOf(node.credentials),
    gated: false,
    onError: onErrorOf(node),
    retry: isTrue(node.retryOnFail),
    ...(authentication === undefined ? {} : { authentication }),
    approval: identity.hitl || isApproval(identity.name, operation, parameters),
    ...(testsError ? { testsError } : {}),
    ...read,
    noted: isFilled(node.notes),
    ...(traits.length === 0 ? {} : { traits })
  }
}

/** A tool's twin (`gmailTool`) does what the node it wraps does; `toolCode` and `agentTool` are nodes of their own. */
function identityOf (type: string): Identity {
  const core = type.startsWith(BASE) ? type.slice(BASE.length) : null
  const ai = type.startsWith(LANGCHAIN) ? type.slice(LANGCHAIN.length) : null
  const app = core ?? ai ?? type.slice(type.lastIndexOf('.') + 1)
  const hitl = /HitlTool$/.test(app)
  const name = ai === null || hitl ? app.replace(/(?:Hitl)?Tool$/, '') : app
  const from = core === null ? null : 'base'
  return { name, app, package: ai === null ? from : 'ai', community: core === null && ai === null, hitl }
}

function natureOf ({ name, community }: Identity, operation: string, parameters: Fields): Nature {
  if (name === 'mcpClientTool' || name === 'mcpClient') return { kind: 'action', effects: ['EGRESS'] }
  const nature = n8nNature({ name, community, operation, resource: textOf(parameters.resource), mode: textOf(parameters.mode) })
  if (nature.kind !== 'http') return nature
  const url = textOf(parameters.url ?? parameters.endpoint)
  const fallback = name === 'graphql' ? 'POST' : 'GET'
  return { kind: 'http', effects: httpEffects(textOf(parameters.method) || textOf(parameters.requestMethod) || fallback, url) }
}

function isExposed (name: string, parameters: Fields): boolean {
  return name !== 'chatTrigger' || isTrue(parameters.public)
}

function authenticationOf (name: string, { kind }: Nature, parameters: Fields): string | undefined {
  const waits = name === 'wait' && ['webhook', 'form'].includes(textOf(parameters.resume))
  if (!ENTRIES.has(name) && !waits && kind !== 'http') return undefined
  const stated = textOf(waits ? parameters.incomingAuthentication : parameters.authentication)
  if (stated === '') return 'none'
  return AUTHENTICATIONS.has(stated) ? stated : 'other'
}

/** A human step that can refuse: a wait for a call or a form, a further form page, send-and-wait. */
function isApproval (name: string, operation: string, parameters: Fields): boolean {
  if (name === 'wait') return ['webhook', 'form'].includes(textOf(parameters.resume))
  return operation === 'sendAndWait' || (name === 'form' && operation !== 'completion')
}

function onErrorOf (node: Fields): FlowNode['onError'] {
  if (node.onError === 'continueErrorOutput') return 'route'
  if (node.onError === 'continueRegularOutput') return 'continue'
  return node.onError === undefined && isTrue(node.continueOnFail) ? 'continue' : 'stop'
}

/** The id only: names carry account addresses. An id that is not shaped like one is not kept. */
function connectionsOf (credentials: unknown): NodeConnection[] {
  return Object.entries(fieldsOf(credentials)).map(([slot, credential]) => {
    const id = textOf(fieldsOf(credential).id)
    return { slot: cleanName(slot), ref: /^[\w-]{1,64}$/.test(id) && !looksLikeToken(id) ? id : null }
  })
}

function isParameterised (parameters: Fields): boolean {
  const options = fieldsOf(parameters.options)
  const additional = fieldsOf(parameters.additionalFields)
  return [options.queryReplacement, options.queryParametersUi, options.queryParameters, additional.queryParams, parameters.queryParams].some(isFilled)
}

function readLeaf ({ field, value, pointer }: Leaf, sql: boolean): Reading {
  if (/^(?:jsCode|pythonCode|functionCode)$/.test(field) || (field === 'code' && pointer.includes('/parameters/code/'))) {
    return { kind: 'code', readsData: READS_DATA.test(value) || /\b_(?:input|json|items|node)\b/.test(value), readsInput: CODE_READS_INPUT.test(value), refs: refsIn(value) }
  }
  const opened = value.indexOf('{{')
  // SQL nodes expand expressions in their query themselves, with or without the leading `=`.
  const expanded = opened >= 0 && (value.startsWith('=') || (sql && isSqlField(field)))
  if (!expanded) return PLAIN
  const body = value.replace(/^=/, '').trim()
  const whole = body.startsWith('{{') && body.indexOf('}}') === body.length - 2
  const expanding = value.slice(opened)
  return { kind: whole ? 'expression' : 'template', readsData: READS_DATA.test(expanding), readsInput: READS_INPUT.test(expanding), refs: refsIn(expanding) }
}

/** Names of nodes that an expression reads, as in the file; the importer turns them into keys. */
function refsIn (text: string): string[] {
  if (!text.includes('$')) return []
  const refs = new Set<string>()
  for (const match of text.matchAll(REFERENCE)) {
    const name = match[1] ?? match[2] ?? match[3]
    if (name !== undefined) refs.add(name.replaceAll(/\\(.)/g, '$1'))
  }
  return [...refs]
}

export interface Outputs { outputs: number, branches: boolean, loop: boolean }

/** How many outputs of its own a node has, before an error output, and what they mean. */
export function outputsOf (node: Fields): Outputs {
  const { name } = identityOf(textOf(node.type))
  const parameters = fieldsOf(node.parameters)
  if (name === 'if') return { outputs: 2, branches: true, loop: false }
  if (name === 'filter') return { outputs: 1, branches: true, loop: false }
  if (name === 'splitInBatches') return { outputs: 2, branches: false, loop: versionOf(node.typeVersion) >= 3 }
  if (name === 'switch') return { outputs: switchOutputs(parameters), branches: true, loop: false }
  if (name === 'textClassifier' || name === 'sentimentAnalysis') {
    const found = listOf(fieldsOf(parameters.categories).categories).length
    const extra = fieldsOf(parameters.options).fallback === 'other' ? 1 : 0
    return { outputs: name === 'textClassifier' ? found + extra : 3, branches: true, loop: false }
  }
  return { outputs: name === 'compareDatasets' ? 4 : 1, branches: false, loop: false }
}

function switchOutputs (parameters: Fields): number {
  const rules = isFields(parameters.rules) ? parameters.rules : {}
  const count = listOf(rules.values ?? rules.rules).length
  const extra = fieldsOf(parameters.options).fallbackOutput === 'extra' ? 1 : 0
  const stated = Number(textOf(parameters.numberOutputs))
  return Math.max(count + extra, Number.isFinite(stated) ? stated : 0)
}
