/** What a module's settings say of it beyond its strings: switches, modes and identities, each reduced to a word of ours. */
import type { Leaf } from './leaves.ts'
import { n8nMajor, n8nTypeState } from './n8n-types.ts'
import { fieldsOf, isFalse, isFilled, isTrue, listOf, textOf, versionOf, type Fields } from './shape.ts'
import { isMakeSetter, makeBuiltin, n8nHostAccess } from './tables.ts'
import type { NodeKind, NodeTrait } from './types.ts'

const CONSUMER_MAIL = /@(?:gmail|googlemail|outlook|hotmail|live|msn|yahoo|ymail|icloud|me|mac|gmx|web|proton|protonmail|pm|aol|mail|yandex|zoho|t-online|qq|163)\.[a-z]{2,3}(?:\.[a-z]{2})?\b/i
const JSON_AUTH_HEADER = /["'](?:authorization|[\w-]{0,40}api-?key[\w-]{0,40}|x-[\w-]{0,40}-token)["']\s{0,8}:/i
const AUTH_HEADER = /^(?:authorization|.{0,40}api-?key.{0,40}|x-.{0,40}-token)$/i
const BREAK_RETRIES_MAX = 50
/** A scope that allows everything of its kind. */
const WIDE_SCOPE = /\*|\b(?:full|all|admin|root|superuser)\b|auth\/drive$/i
const PUBLIC_LINK = /^(?:Action)?(?:create|get|make|add)?_?(?:public|shared?|sharing)_?(?:link|url)$/i
const HOOK_ADDRESS = /hook\.(?:[a-z]{2}\d\.)?(?:make|integromat)\.(?:com|celonis\.com)\/([a-z0-9]{20,64})/

export function makeTraits (module: Fields, kind: NodeKind, type: string, leaves: readonly Leaf[], handlers: readonly unknown[]): NodeTrait[] {
  const parameters = fieldsOf(module.parameters)
  const mapper = fieldsOf(module.mapper)
  const restored = fieldsOf(fieldsOf(fieldsOf(module.metadata).restore).parameters)
  const either = (name: string): unknown => mapper[name] ?? parameters[name]
  const messages = listOf(fieldsOf(fieldsOf(module.metadata).designer).messages).map((message) => textOf(fieldsOf(message).severity))
  const app = type.slice(0, Math.max(0, type.indexOf(':')))
  return named([
    ['handmade-auth', kind === 'http' && !isStoredAuth(type, parameters) && hasAuthHeader(leaves, [mapper.headers])],
    ['hook-guarded', isGuardedHook(restored)],
    ['personal-connection', Object.values(restored).some((slot) => CONSUMER_MAIL.test(textOf(fieldsOf(slot).label).slice(0, 200)))],
    ['tls-unverified', isFalse(either('rejectUnauthorized'))],
    ['cleartext-protocol', (app === 'ftp' && textOf(either('protocol')) !== 'ftps' && !isTrue(either('secure'))) || (app === 'email' && isFalse(either('secure')) && !startsTls(either))],
    ['http-errors-pass', kind === 'http' && (isFalse(either('handleErrors')) || isFalse(either('stopOnHttpError')))],
    ['public-share', sharesPublicly(leaves) || PUBLIC_LINK.test(type.slice(app.length + 1).slice(0, 60))],
    ['no-fallback', type === 'builtin:BasicRouter' && lacksFallback(module, parameters)],
    ['break-unretried', handlers.some(isUselessBreak)],
    ['setup-error', messages.includes('error')],
    ['setup-warning', messages.includes('warning')],
    ['community', type.startsWith('app#')],
    ['superseded', makeBuiltin(type) === 'superseded'],
    ['unknown-type', makeBuiltin(type) === 'unknown'],
    ['host-access', type === 'util:ExecuteCommand' || app === 'ssh'],
    ['constants', isMakeSetter(type) && leaves.every(({ value }) => !value.includes('{{'))],
    ['wide-scopes', Object.values(restored).some((slot) => isWide(fieldsOf(fieldsOf(slot).data)))]
  ])
}

export interface N8nTraitSubject { name: string, package: 'base' | 'ai' | null, kind: NodeKind, authentication: string | undefined, readsData: boolean }

export function n8nTraits (node: Fields, subject: N8nTraitSubject, leaves: readonly Leaf[]): NodeTrait[] {
  const { name, kind, authentication, readsData } = subject
  const parameters = fieldsOf(node.parameters)
  const version = versionOf(node.typeVersion)
  const state = subject.package === null ? 'current' : n8nTypeState(subject.package, name)
  const isSetter = subject.package === 'base' && name === 'set'
  const options = fieldsOf(parameters.options)
  const response = fieldsOf(fieldsOf(options.response).response)
  const credentials = Object.values(fieldsOf(node.credentials))
  return named([
    ['handmade-auth', kind === 'http' && authentication === 'none' && hasAuthHeader(leaves, [fieldsOf(parameters.headerParameters).parameters, fieldsOf(parameters.headerParametersUi).parameter])],
    ['hook-guarded', isFilled(options.ipWhitelist)],
    ['personal-connection', credentials.some((credential) => CONSUMER_MAIL.test(textOf(fieldsOf(credential).name).slice(0, 200)))],
    ['tls-unverified', isTrue(options.allowUnauthorizedCerts) || isTrue(parameters.allowUnauthorizedCerts)],
    ['cleartext-protocol', (name === 'ftp' && ['', 'ftp'].includes(textOf(parameters.protocol))) || (name.startsWith('email') && isFalse(parameters.secure ?? options.secure) && !startsTls((field) => parameters[field] ?? options[field]))],
    ['http-errors-pass', kind === 'http' && (isTrue(response.neverError) || isTrue(options.ignoreResponseCode))],
    ['public-share', sharesPublicly(leaves) || PUBLIC_LINK.test(textOf(parameters.operation).slice(0, 60)) || (name === 'nextCloud' && ['', '3'].includes(textOf(parameters.shareType)) && parameters.operation === 'share')],
    ['no-fallback', name === 'switch' && textOf(parameters.mode) !== 'expression' && ['', 'none', '-1'].includes(textOf(options.fallbackOutput ?? parameters.fallbackOutput))],
    ['community', subject.package === null],
    ['superseded', state === 'hidden'],
    ['unknown-type', state === 'unknown'],
    ['old-version', subject.package !== null && state === 'current' && Math.floor(version) < n8nMajor(subject.package, name)],
    ['host-access', subject.package !== null && n8nHostAccess(name)],
    ['dynamic-sub', isDynamicSub(name, parameters)],
    ['answers-by-node', ((name === 'webhook' || name === 'formTrigger') && parameters.responseMode === 'responseNode') || (name === 'chatTrigger' && options.responseMode === 'responseNodes')],
    ['redacts', name === 'guardrails' && parameters.operation === 'sanitize'],
    ['constants', isSetter && !readsData],
    ['passes-input', isSetter && (version < 3 ? !isTrue(parameters.keepOnlySet) : isTrue(parameters.includeOtherFields))]
  ])
}

function named (pairs: ReadonlyArray<readonly [NodeTrait, boolean]>): NodeTrait[] {
  return pairs.flatMap(([trait, holds]) => holds ? [trait] : [])
}

/** Make's HTTP modules that take what authenticates them from a connection or a keychain. */
function isStoredAuth (type: string, parameters: Fields): boolean {
  if (/Auth\d?$/.test(type)) return true
  const chosen = textOf(parameters.authenticationType)
  return (chosen !== '' && !/^no(?:ne|_?auth)/i.test(chosen)) || ['apiKeyKeychain', 'basicAuthKeychain', 'auth', '__IMTCONN__'].some((slot) => textOf(parameters[slot]) !== '')
}

/** In a list of headers or in headers typed as JSON, whatever the value, also an empty one: that somebody types the header is the finding. */
function hasAuthHeader (leaves: readonly Leaf[], lists: readonly unknown[]): boolean {
  if (lists.some((list) => listOf(list).some((one) => AUTH_HEADER.test(textOf(fieldsOf(one).name).slice(0, 100))))) return true
  return leaves.some(({ field, pointer, value }) => /header/i.test(pointer) && (AUTH_HEADER.test(field) || JSON_AUTH_HEADER.test(value)))
}

function startsTls (either: (name: string) => unknown): boolean {
  return ['startTls', 'starttls', 'requireTls', 'requireTLS'].some((name) => isTrue(either(name)))
}

/** What the designer remembered of a connection: Make notes whether its scopes are limited, and which they are. */
function isWide (data: Fields): boolean {
  if (isFalse(data.scoped)) return true
  const scopes = data.scopes ?? data.scope
  if (scopes === undefined) return false
  return !isFilled(scopes) || listOf(typeof scopes === 'string' ? scopes.slice(0, 2000).split(/[\s,]+/) : scopes).some((scope) => WIDE_SCOPE.test(textOf(scope).slice(0, 200)))
}

/** Whether a Make scenario sends to the hook that starts it: by the hook's number, or by the address that the designer remembered of it. */
export function callsHook (module: Fields, hook: Fields): boolean {
  const number = textOf(fieldsOf(hook.parameters).hook)
  const parameters = fieldsOf(module.parameters)
  const mapper = fieldsOf(module.mapper)
  if (number !== '' && [parameters.hook, parameters.__IMTHOOK__, mapper.hook, mapper.hookId].some((one) => textOf(one) === number)) return true
  const path = HOOK_ADDRESS.exec(textOf(mapper.url).slice(0, 500))?.[1]
  const remembered = fieldsOf(fieldsOf(fieldsOf(fieldsOf(hook.metadata).restore).parameters).hook)
  const addresses = [remembered, fieldsOf(remembered.data)].flatMap((one) => Object.values(one)).map((one) => HOOK_ADDRESS.exec(textOf(one).slice(0, 500))?.[1])
  return path !== undefined && addresses.includes(path)
}

function isGuardedHook (restored: Fields): boolean {
  const data = fieldsOf(fieldsOf(restored.hook).data)
  return ['apiKeys', 'keys', 'ip', 'ips', 'ipWhitelist', 'allowedIps'].some((name) => isFilled(data[name]))
}

function sharesPublicly (leaves: readonly Leaf[]): boolean {
  return leaves.some(({ field, value }) => (field === 'type' && value === 'anyone') || (/acl$/i.test(field) && /^public/i.test(value)) || (field === 'scope' && value === 'anonymous') || (field === 'entity' && value === 'allUsers'))
}

/** Every route waits for a condition, and nothing catches what fits none. */
function lacksFallback (module: Fields, parameters: Fields): boolean {
  const routes = listOf(module.routes).map(fieldsOf)
  if (routes.length === 0 || isFilled(textOf(parameters.else)) || isTrue(parameters.else)) return false
  return routes.every((route) => listOf(fieldsOf(fieldsOf(listOf(route.flow)[0]).filter).conditions).some(isFilled))
}

function isUselessBreak (handler: unknown): boolean {
  const item = fieldsOf(handler)
  if (textOf(item.module ?? item.directive).replace(/^builtin:/, '').toLowerCase() !== 'break') return false
  const mapper = fieldsOf(item.mapper)
  const count = Number(textOf(mapper.count) || '3')
  const interval = Number(textOf(mapper.interval) || '15')
  return isFalse(mapper.retry) || count === 0 || count > BREAK_RETRIES_MAX || interval === 0
}

function isDynamicSub (name: string, parameters: Fields): boolean {
  if (name !== 'executeWorkflow' && name !== 'toolWorkflow') return false
  if (['url', 'localFile', 'parameter'].includes(textOf(parameters.source))) return true
  const id = typeof parameters.workflowId === 'string' ? parameters.workflowId : textOf(fieldsOf(parameters.workflowId).value)
  // A workflow that calls itself is as fixed as it can be.
  return id.startsWith('=') && id.includes('{{') && !/^=\s{0,4}\{\{\s{0,4}\$workflow\.id\s{0,4}\}\}\s*$/.test(id.slice(0, 200))
}
