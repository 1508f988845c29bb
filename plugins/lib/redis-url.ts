/**
 * What a Redis URL may say. One server: `redis://[user:password@]host[:port][/database]`; Sentinel:
 * `redis+sentinel://[user:password@]host[:port],…/master-name[/database]`, with `?sentinel_username=…&sentinel_password=…` where the
 * sentinels have a password of their own; Cluster: `redis+cluster://[user:password@]host[:port],…`. With `rediss` instead of `redis`
 * everything goes over TLS, the sentinels included. Names and passwords are percent-encoded. What is not understood is refused.
 */
export type RedisForm = 'single' | 'sentinel' | 'cluster'

export interface RedisTarget {
  readonly form: RedisForm
  readonly isTls: boolean
  /** The server, the sentinels, or the nodes to begin with. */
  readonly nodes: ReadonlyArray<{ readonly host: string, readonly port: number }>
  readonly username?: string
  readonly password?: string
  readonly database: number
  /** Sentinel only: the name under which the sentinels know the master. */
  readonly masterName?: string
  readonly sentinelUsername?: string
  readonly sentinelPassword?: string
}

const URL_PARTS = /^redis(s?)(\+sentinel|\+cluster)?:\/\/(?:(?<user>.*)@)?(?<hosts>[^/?#@]+)(?<path>\/[^?#]*)?(?:\?(?<query>[^#]*))?$/
const HOST_AND_PORT = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?$/
const DATABASE = /^\d{1,4}$/
const REDIS_PORT = 6379
const SENTINEL_PORT = 26379
const PORT_MAX = 65535

/** Throws a RangeError that names the problem and repeats nothing of the text, which may hold a password. */
export function parseRedisUrl (text: string): RedisTarget {
  const parts = URL_PARTS.exec(text)
  if (parts === null) throw new RangeError('must start with redis://, rediss://, redis+sentinel://, rediss+sentinel://, redis+cluster:// or rediss+cluster:// and name a host')
  const { user, hosts = '', path = '', query = '' } = parts.groups ?? {}
  const form: RedisForm = parts[2] === '+sentinel' ? 'sentinel' : parts[2] === '+cluster' ? 'cluster' : 'single'
  const nodes = hosts.split(',').map((one) => nodeOf(one, form === 'sentinel' ? SENTINEL_PORT : REDIS_PORT))
  if (form === 'single' && nodes.length > 1) throw new RangeError('names several hosts: say redis+sentinel:// or redis+cluster://')
  return { form, isTls: parts[1] === 's', nodes, ...credentialsOf(user), ...pathOf(form, path), ...sentinelCredentialsOf(form, query) }
}

/** What is wrong with a URL, in words that repeat nothing of it, or null. */
export function redisUrlProblem (text: string): string | null {
  try {
    parseRedisUrl(text)
    return null
  } catch (err) {
    return err instanceof RangeError ? err.message : 'is not understood'
  }
}

function nodeOf (text: string, defaultPort: number): { host: string, port: number } {
  const [, host = '', port] = HOST_AND_PORT.exec(text.trim()) ?? []
  const number = port === undefined ? defaultPort : Number(port)
  if (host === '' || number < 1 || number > PORT_MAX) throw new RangeError('has a host that is not host or host:port (an IPv6 address stands in brackets)')
  return { host: host.replace(/^\[|\]$/g, ''), port: number }
}

function credentialsOf (user: string | undefined): { username?: string, password?: string } {
  if (user === undefined || user === '') return {}
  const colon = user.indexOf(':')
  const username = decoded(colon === -1 ? user : user.slice(0, colon))
  return { ...(username === '' ? {} : { username }), ...(colon === -1 ? {} : { password: decoded(user.slice(colon + 1)) }) }
}

function pathOf (form: RedisForm, path: string): { database: number, masterName?: string } {
  const [first = '', second, ...rest] = path.slice(1).split('/')
  if (form === 'single') {
    if (second !== undefined || (first !== '' && !DATABASE.test(first))) throw new RangeError('has a path that is not the number of a database')
    return { database: Number(first) }
  }
  if (form === 'cluster') {
    if (second !== undefined || (first !== '' && first !== '0')) throw new RangeError('names a database, which a cluster does not have')
    return { database: 0 }
  }
  if (first === '' || rest.length > 0 || (second !== undefined && !DATABASE.test(second))) throw new RangeError("must name the sentinels' master after the hosts, such as /mymaster")
  return { database: Number(second ?? 0), masterName: decoded(first) }
}

function sentinelCredentialsOf (form: RedisForm, query: string): { sentinelUsername?: string, sentinelPassword?: string } {
  const found: { sentinelUsername?: string, sentinelPassword?: string } = {}
  for (const [name, value] of new URLSearchParams(query)) {
    if (form === 'sentinel' && name === 'sentinel_username') found.sentinelUsername = value
    else if (form === 'sentinel' && name === 'sentinel_password') found.sentinelPassword = value
    else throw new RangeError('has a query; only redis+sentinel:// knows sentinel_username and sentinel_password')
  }
  return found
}

function decoded (text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new RangeError('has a name or password that is not percent-encoded')
  }
}
