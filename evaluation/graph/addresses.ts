/** What a literal address in a configuration is. Tables and bounded patterns; the address itself is not kept. */
import { hostOf, isInternalHost, isPlaceholder, isSecretValue } from './patterns.ts'
import type { FactClass } from './types.ts'

const METADATA_HOSTS: ReadonlySet<string> = new Set(['169.254.169.254', 'metadata.google.internal', '100.100.100.200', '[fd00:ec2::254]'])

/** Tunnels to somebody's machine, and services that show a request to whoever looks. */
const TUNNELS = ['ngrok.io', 'ngrok.app', 'ngrok.dev', 'ngrok-free.app', 'ngrok-free.dev', 'loca.lt', 'localtunnel.me', 'serveo.net', 'trycloudflare.com', 'pagekite.me',
  'localhost.run', 'lhr.life', 'webhook.site', 'requestbin.com', 'requestbin.net', 'requestcatcher.com', 'm.pipedream.net', 'beeceptor.com', 'hookbin.com', 'postb.in',
  'typedwebhook.tools', 'webhook-test.com', 'requestinspector.com']

/** Addresses that are their own key: who knows one can post. */
const CAPABILITIES = [
  { hint: 'hooks.slack.com', pattern: /hooks\.slack\.com\/(?:services|workflows)\/[A-Z0-9]{6,20}\/[A-Z0-9]{6,20}\/[A-Za-z0-9]{10,64}/ },
  { hint: '/api/webhooks/', pattern: /discord(?:app)?\.com\/api\/webhooks\/\d{10,25}\/[\w-]{30,100}/ },
  { hint: 'webhook.office.com', pattern: /webhook\.office\.com\/webhookb2\/[\w@-]{20,200}/ },
  { hint: 'outlook.office.com/webhook', pattern: /outlook\.office\.com\/webhook\/[\w@-]{20,200}/ },
  { hint: 'hook.', pattern: /hook\.(?:[a-z]{2}\d\.)?(?:make|integromat)\.(?:com|celonis\.com)\/[a-z0-9]{20,64}/ },
  { hint: 'hooks.zapier.com', pattern: /hooks\.zapier\.com\/hooks\/catch\/\d{4,12}\/[a-z0-9]{5,20}/ },
  { hint: 'maker.ifttt.com', pattern: /maker\.ifttt\.com\/trigger\/[\w-]{1,64}\/(?:json\/)?with\/key\/[\w-]{10,64}/ },
  { hint: '/webhook/', pattern: /https:\/\/[\w.-]{3,100}\/webhook\/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/ }
]

/** Services that take the key as a segment of the path. */
const PATH_KEYS = [
  /^ipqualityscore\.com\/api\/json\/(?:[a-z]{2,20}\/)?([A-Za-z0-9]{32})(?![A-Za-z0-9])/,
  /^v6\.exchangerate-api\.com\/v6\/([0-9a-f]{24})(?![0-9a-f])/,
  /^api\.darksky\.net\/forecast\/([0-9a-f]{32})(?![0-9a-f])/,
  /^[\w.-]{1,60}\.infura\.io\/v3\/([0-9a-f]{32})(?![0-9a-f])/,
  /^[\w.-]{1,60}\.(?:g\.alchemy\.com|alchemyapi\.io)\/v2\/([\w-]{32})(?![\w-])/,
  /^[\w.-]{1,60}\.quiknode\.pro\/([0-9a-f]{40})(?![0-9a-f])/
]

const LOCAL_IPV4 = /^(?:127|10)\.|^169\.254\.|^192\.168\.|^172\.(?:1[6-9]|2\d|3[01])\./
const CLEARTEXT = /^=?\s{0,8}(?:ws|ldap|mqtt|redis|ftp|amqp|smtp|imap|telnet):\/\/([^/?#\s\\]{1,300})/i
const PARAMETER_NAMES = 'key|api[-_]?key|apikey|access[-_]?token|auth[-_]?token|token|secret|client[-_]?secret|password|passwd|pwd|sig|signature'
const SECRET_PARAMETER = new RegExp(`[?&](?:${PARAMETER_NAMES})=([^&#\\s{}]{12,512})(?:[&#]|$)`, 'gi')
const PARAMETER = new RegExp(`^(?:${PARAMETER_NAMES})$`, 'i')
const USER_INFO = /^=?\s{0,8}[a-z][a-z0-9+.-]{1,20}:\/\/[^/?#\s@{}:]{1,200}:([^/?#\s@{}]{3,200})@/i
/** Long enough for any address; what follows is somebody's text. */
const ADDRESS_CHARS_MAX = 4096

/** Classes of a text in a URL field. */
export function urlClasses (text: string): FactClass[] {
  const classes: FactClass[] = []
  const head = text.slice(0, ADDRESS_CHARS_MAX)
  const host = hostOf(head)
  if (host !== null) {
    if (METADATA_HOSTS.has(host)) classes.push('metadata-host')
    else if (isLocal(host)) classes.push('internal-host')
    if (TUNNELS.some((suffix) => host === suffix || host.endsWith(`.${suffix}`))) classes.push('tunnel-host')
  }
  if (holdsSecret(head)) classes.push('secret-in-url')
  return classes
}

/** Classes of any literal, wherever it stands. */
export function literalClasses (text: string): FactClass[] {
  const classes: FactClass[] = []
  if (CAPABILITIES.some(({ hint, pattern }) => text.includes(hint) && !isPlaceholder(pattern.exec(text)?.[0] ?? 'xxxxx'))) classes.push('capability-url')
  const authority = CLEARTEXT.exec(text.slice(0, ADDRESS_CHARS_MAX))?.[1]
  if (authority !== undefined && !authority.includes('{{') && !isInternalHost(authority.slice(authority.lastIndexOf('@') + 1).toLowerCase().replace(/:\d*$/, ''))) classes.push('cleartext-url')
  return classes
}

/** Whether a query parameter that stands in a list of its own carries a secret. */
export function isSecretParameter (name: string, literal: string): boolean {
  return PARAMETER.test(name) && isSecretValue(literal.replace(/^=/, ''))
}

/** An expression whose own text begins with a whole host: `{{ "https://api.example.com/" + … }}`. */
const FIXED_HOST = /^\s{0,8}["'`]https?:\/\/[\w.-]{1,200}(?::\d{1,5})?(?:[/?#"'`])/i

/** Whether data decides the host: the address begins with an expression, or one follows its scheme at once. */
export function isDynamicHost (text: string, ownVariable: RegExp): boolean {
  const match = /^=?\s{0,8}(?:https?:\/\/)?\{\{([^}]{0,400})/i.exec(text.slice(0, 600))
  if (match === null) return false
  const head = match[1] ?? ''
  return !ownVariable.test(head) && !FIXED_HOST.test(head)
}

function isLocal (host: string): boolean {
  if (host === 'localhost' || host.endsWith('.localhost') || host === 'host.docker.internal' || host === '[::1]') return true
  return (/^[\d.]+$/.test(host) && LOCAL_IPV4.test(host)) || /^\[(?:f[cde]|::ffff:)/.test(host)
}

function holdsSecret (address: string): boolean {
  const password = USER_INFO.exec(address)?.[1]
  if (password !== undefined && !isPlaceholder(password)) return true
  const path = address.replace(/^=?\s{0,8}https?:\/\/(?:www\.)?/i, '')
  for (const pattern of PATH_KEYS) if (isSecretValue(pattern.exec(path)?.[1] ?? '')) return true
  for (const match of address.matchAll(SECRET_PARAMETER)) if (isSecretValue(match[1] ?? '')) return true
  return false
}
