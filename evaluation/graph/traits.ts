/** What a module's settings say of it beyond its strings: switches, modes and identities, each reduced to a word of ours. */
import type { Leaf } from './leaves.ts'
import { fieldsOf, isFilled, isTrue, listOf, textOf, versionOf, type Fields } from './shape.ts'
import { n8nHostAccess, n8nSuperseded } from './tables.ts'
import type { NodeKind, NodeTrait } from './types.ts'

const CONSUMER_MAIL = /@(?:gmail|googlemail|outlook|hotmail|live|msn|yahoo|ymail|icloud|me|mac|gmx|web|proton|protonmail|pm|aol|mail|yandex|zoho|t-online|qq|163)\.[a-z]{2,3}(?:\.[a-z]{2})?\b/i
const AUTH_HEADER = /^(?:authorization|.{0,40}api-?key.{0,40}|x-.{0,40}-token)$/i
const BREAK_RETRIES_MAX = 50

export function makeTraits (module: Fields, kind: NodeKind, type: string, leaves: readonly Leaf[]): NodeTrait[] {
  const parameters = fieldsOf(module.parameters)
  const mapper = fieldsOf(module.mapper)
  const restored = fieldsOf(fieldsOf(fieldsOf(module.metadata).restore).parameters)
  const either = (name: string): unknown => mapper[name] ?? parameters[name]
  const messages = listOf(fieldsOf(fieldsOf(module.metadata).designer).messages).map((message) => textOf(fieldsOf(message).severity))
  const app = type.slice(0, Math.max(0, type.indexOf(':')))
  return named([
    ['handmade-auth', kind === 'http' && type === 'http:ActionSendData' && hasAuthHeader(leaves)],
    ['hook-guarded', isGuardedHook(restored)],
    ['personal-connection', Object.values(restored).some((slot) => CONSUMER_MAIL.test(textOf(fieldsOf(slot).label).slice(0, 200)))],
    ['tls-unverified', either('rejectUnauthorized') === false],
    ['cleartext-protocol', app === 'ftp' && textOf(either('protocol')) !== 'ftps' && !isTrue(either('secure'))],
    ['http-errors-pass', kind === 'http' && (either('handleErrors') === false || either('stopOnHttpError') === false)],
    ['public-share', sharesPublicly(leaves)],
    ['no-fallback', type === 'builtin:BasicRouter' && lacksFallback(module, parameters)],
    ['break-unretried', hasUselessBreak(module)],
    ['setup-error', messages.includes('error')],
    ['setup-warning', messages.includes('warning')],
    ['community', type.startsWith('app#')],
    ['host-access', type === 'util:ExecuteCommand' || app === 'ssh']
  ])
}

export interface N8nTraitSubject { name: string, community: boolean, kind: NodeKind, authentication: string | undefined }

export function n8nTraits (node: Fields, { name, community, kind, authentication }: N8nTraitSubject, leaves: readonly Leaf[]): NodeTrait[] {
  const parameters = fieldsOf(node.parameters)
  const options = fieldsOf(parameters.options)
  const response = fieldsOf(fieldsOf(options.response).response)
  const credentials = Object.values(fieldsOf(node.credentials))
  return named([
    ['handmade-auth', kind === 'http' && authentication === 'none' && hasAuthHeader(leaves)],
    ['hook-guarded', isFilled(options.ipWhitelist)],
    ['personal-connection', credentials.some((credential) => CONSUMER_MAIL.test(textOf(fieldsOf(credential).name).slice(0, 200)))],
    ['tls-unverified', isTrue(options.allowUnauthorizedCerts) || isTrue(parameters.allowUnauthorizedCerts)],
    ['cleartext-protocol', (name === 'ftp' && ['', 'ftp'].includes(textOf(parameters.protocol))) || (name.startsWith('email') && parameters.secure === false)],
    ['http-errors-pass', kind === 'http' && (isTrue(response.neverError) || isTrue(options.ignoreResponseCode))],
    ['public-share', sharesPublicly(leaves)],
    ['no-fallback', name === 'switch' && textOf(parameters.mode) !== 'expression' && ['', 'none', '-1'].includes(textOf(options.fallbackOutput ?? parameters.fallbackOutput))],
    ['community', community],
    ['superseded', !community && n8nSuperseded(name)],
    ['old-version', versionOf(node.typeVersion) < 2 && ['httpRequest', 'if', 'switch', 'googleSheets'].includes(name)],
    ['host-access', !community && n8nHostAccess(name)],
    ['dynamic-sub', isDynamicSub(name, parameters)],
    ['answers-by-node', name === 'webhook' && textOf(parameters.responseMode) === 'responseNode'],
    ['redacts', name === 'guardrails']
  ])
}

function named (pairs: ReadonlyArray<readonly [NodeTrait, boolean]>): NodeTrait[] {
  return pairs.flatMap(([trait, holds]) => holds ? [trait] : [])
}

/** In a list of headers, whatever the value: that somebody types the header is the finding. */
function hasAuthHeader (leaves: readonly Leaf[]): boolean {
  return leaves.some(({ field, pointer }) => /header/i.test(pointer) && AUTH_HEADER.test(field))
}

function isGuardedHook (restored: Fields): boolean {
  const data = fieldsOf(fieldsOf(restored.hook).data)
  return ['apiKeys', 'keys', 'ip', 'ips', 'ipWhitelist', 'allowedIps'].some((name) => isFilled(data[name]))
}

function sharesPublicly (leaves: readonly Leaf[]): boolean {
  return leaves.some(({ field, value }) => (field === 'type' && value === 'anyone') || (/acl$/i.test(field) && /^public/i.test(value)))
}

/** Every route waits for a condition, and nothing catches what fits none. */
function lacksFallback (module: Fields, parameters: Fields): boolean {
  const routes = listOf(module.routes).map(fieldsOf)
  if (routes.length === 0 || isFilled(textOf(parameters.else)) || isTrue(parameters.else)) return false
  return routes.every((route) => listOf(fieldsOf(fieldsOf(listOf(route.flow)[0]).filter).conditions).some(isFilled))
}

function hasUselessBreak (module: Fields): boolean {
  return listOf(module.onerror).map(fieldsOf).some((item) => {
    if (textOf(item.module ?? item.directive).replace(/^builtin:/, '').toLowerCase() !== 'break') return false
    const mapper = fieldsOf(item.mapper)
    const count = Number(textOf(mapper.count) || '3')
    const interval = Number(textOf(mapper.interval) || '15')
    return mapper.retry === false || count === 0 || count > BREAK_RETRIES_MAX || interval === 0
  })
}

function isDynamicSub (name: string, parameters: Fields): boolean {
  if (name !== 'executeWorkflow' && name !== 'toolWorkflow') return false
  if (['url', 'localFile', 'parameter'].includes(textOf(parameters.source))) return true
  const id = typeof parameters.workflowId === 'string' ? parameters.workflowId : textOf(fieldsOf(parameters.workflowId).value)
  // A workflow that calls itself is as fixed as it can be.
  return id.startsWith('=') && id.includes('{{') && !/^=\s{0,4}\{\{\s{0,4}\$workflow\.id\s{0,4}\}\}\s*$/.test(id.slice(0, 200))
}
