/**
 * The only way out of the service. Names are resolved here, every address is judged, and the connection is made to a judged
 * address and to no other: a name that changes its mind between the check and the dial (DNS rebinding) has nothing to change. One
 * special address among several refuses the name. No redirects, no proxy from the environment, no pooled connection, TLS
 * verified, answers read to a limit and dropped. Literal addresses never reach a resolver, so they are judged on their own.
 */
import { Resolver } from 'node:dns/promises'
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { isIP, isIPv4, type LookupFunction } from 'node:net'
import { networkInterfaces } from 'node:os'
import type { TLSSocket } from 'node:tls'
import { compileAllowlist, normaliseAddress } from '../plugins/lib/cidr.ts'
import { isSpecialAddress } from '../plugins/lib/special-address.ts'

const RESOLVE_TIMEOUT_MS = 2000
const RESOLVE_DEADLINE_MS = 5000
const CONNECT_TIMEOUT_MS = 3000
const TOTAL_TIMEOUT_MS = 10_000
const ANSWER_BYTES_MAX = 64 * 1024
const URL_CHARS_MAX = 2048

/** Why an attempt failed, in words that may be shown to the subscription's owner: nothing of the answer, no inner address. */
export type EgressError = 'url_not_allowed' | 'address_not_allowed' | 'name_not_resolved' | 'connection_failed' | 'tls_failed' | 'timeout' | 'redirected' | 'refused_by_receiver'

export interface EgressOutcome { status: number | null, error: EgressError | null, durationMs: number }

export interface EgressOptions {
  /** Also plain HTTP, outside production. Default false. */
  allowHttp?: boolean
  /** Special ranges that may be reached all the same: weakens the guard, for local stacks and tests. Default none. */
  unsafeAllowedRanges?: readonly string[]
  /** Every address of a name. Default: DNS queries with a deadline, never the thread pool's getaddrinfo, which one slow zone would block. */
  resolve?: (hostname: string) => Promise<string[]>
  /** This host's own addresses. Default: its network interfaces, read anew for each attempt. */
  ownAddresses?: () => string[]
  /** Certificate authorities besides the platform's, PEM. Default none. */
  ca?: string
  /** Milliseconds for the whole attempt. Default 10 000. */
  totalTimeoutMs?: number
}

export interface Egress {
  /** What speaks against a URL before anything is dialled; null when nothing does. A name that does not resolve yet is not a problem. */
  findProblem (url: string): Promise<string | null>
  /** One POST. Never rejects. */
  post (url: string, headers: Readonly<Record<string, string>>, body: Buffer): Promise<EgressOutcome>
}

class Refusal extends Error {
  readonly error: EgressError

  constructor (error: EgressError) {
    super(error)
    this.error = error
  }
}

export function createEgress (options: EgressOptions = {}): Egress {
  const resolve = options.resolve ?? resolveByDns
  const ownAddresses = options.ownAddresses ?? interfaceAddresses
  const unsafeRanges = options.unsafeAllowedRanges ?? []
  const isAllowedAnyway = unsafeRanges.length === 0 ? () => false : compileAllowlist(unsafeRanges)
  const totalTimeoutMs = options.totalTimeoutMs ?? TOTAL_TIMEOUT_MS

  function isAllowed (address: string): boolean {
    const normal = normaliseAddress(address)
    if (normal === null) return false
    if (isAllowedAnyway(normal)) return true
    // The normal form for the exemption only: a mapped address is special as it stands.
    return !isSpecialAddress(address) && !ownAddresses().some((own) => normaliseAddress(own) === normal)
  }

  /** The addresses to dial. Rejects with a `Refusal` when there is none, or one among them that must not be reached. */
  async function judgedAddresses (hostname: string): Promise<string[]> {
    const literal = literalOf(hostname)
    const addresses = literal === null ? await withDeadline(resolve(hostname)).catch(() => []) : [literal]
    if (addresses.length === 0) throw new Refusal('name_not_resolved')
    if (!addresses.every(isAllowed)) throw new Refusal('address_not_allowed')
    return addresses
  }

  async function findProblem (text: string): Promise<string | null> {
    const url = readUrl(text)
    if (url === null) return 'must be an absolute URL of at most 2048 characters'
    if (url.protocol !== 'https:' && !(options.allowHttp === true && url.protocol === 'http:')) return 'must use https'
    if (url.username !== '' || url.password !== '') return 'must not hold credentials'
    if (url.hash !== '') return 'must not have a fragment'
    try {
      await judgedAddresses(url.hostname)
    } catch (err) {
      if (err instanceof Refusal && err.error === 'address_not_allowed') return 'must not lead to a private, loopback, link-local or otherwise special address'
    }
    return null
  }

  async function post (text: string, headers: Readonly<Record<string, string>>, body: Buffer): Promise<EgressOutcome> {
    const startedMs = performance.now()
    const ended = (status: number | null, error: EgressError | null): EgressOutcome => ({ status, error, durationMs: Math.round(performance.now() - startedMs) })
    const url = readUrl(text)
    const isHttps = url?.protocol === 'https:'
    if (url === null || (!isHttps && options.allowHttp !== true)) return ended(null, 'url_not_allowed')
    const deadline = AbortSignal.timeout(totalTimeoutMs)
    try {
      const addresses = await judgedAddresses(url.hostname)
      const status = await dial(url, isHttps, addresses, { headers, body, deadline })
      if (status >= 200 && status < 300) return ended(status, null)
      return ended(status, status >= 300 && status < 400 ? 'redirected' : 'refused_by_receiver')
    } catch (err) {
      return ended(null, errorOf(err, deadline))
    }
  }

  interface Outgoing { headers: Readonly<Record<string, string>>, body: Buffer, deadline: AbortSignal }

  function dial (url: URL, isHttps: boolean, addresses: readonly string[], { headers, body, deadline }: Outgoing): Promise<number> {
    // Hands over the judged addresses and asks nobody. A literal host never calls it.
    const lookup: LookupFunction = (_hostname, wanted, done) => {
      const found = addresses.map((address) => ({ address, family: isIPv4(address) ? 4 : 6 }))
      const [first] = found
      if (first === undefined) done(new Refusal('name_not_resolved'), '')
      else if (wanted.all === true) done(null, found)
      else done(null, first.address, first.family)
    }
    const common: RequestOptions = {
      method: 'POST',
      headers: { ...headers, 'content-length': String(body.length) },
      lookup,
      signal: deadline,
      maxHeaderSize: ANSWER_BYTES_MAX
    }
    // An agent of its own for each attempt: nothing pooled, nothing shared, no proxy from the environment.
    const request = isHttps
      ? httpsRequest(url, { ...common, agent: new HttpsAgent({ keepAlive: false }), minVersion: 'TLSv1.2', rejectUnauthorized: true, ...(options.ca === undefined ? {} : { ca: options.ca }) })
      : httpRequest(url, { ...common, agent: new HttpAgent({ keepAlive: false }) })
    return new Promise((resolve, reject) => {
      let isAnswered = false
      const connecting = setTimeout(() => request.destroy(new Refusal('timeout')), CONNECT_TIMEOUT_MS)
      request.on('socket', (socket) => {
        socket.once('connect', () => {
          // What was dialled is what was judged; anything else would be a defect of the platform, and ends here.
          const remote = socket.remoteAddress
          if (remote === undefined || !isAllowed(remote)) request.destroy(new Refusal('address_not_allowed'))
        })
        socket.once(isHttps ? 'secureConnect' : 'connect', () => clearTimeout(connecting))
      })
      request.on('error', (err) => {
        if (!isAnswered) reject(isHttps && isTlsFailure(err, request.socket as TLSSocket | null) ? new Refusal('tls_failed') : err)
      })
      request.on('response', (response) => {
        isAnswered = true
        // The status is the answer. What follows it need not be whole.
        const answered = (): void => resolve(response.statusCode ?? 0)
        drain(response).then(answered, answered)
      })
      // Without this listener the platform closes such a connection and tells nobody.
      request.on('upgrade', (response, socket) => {
        socket.destroy()
        resolve(response.statusCode ?? 0)
      })
      request.on('close', () => {
        clearTimeout(connecting)
        if (!isAnswered) reject(new Refusal('connection_failed'))
      })
      request.end(body)
    })
  }

  return { findProblem, post }
}

/** Reads an answer to its end or to the limit; its bytes are dropped. */
async function drain (response: IncomingMessage): Promise<void> {
  let bytes = 0
  for await (const chunk of response) {
    bytes += (chunk as Buffer).length
    if (bytes > ANSWER_BYTES_MAX) break
  }
  response.destroy()
}

function readUrl (text: string): URL | null {
  if (text.length > URL_CHARS_MAX || !URL.canParse(text)) return null
  const url = new URL(text)
  return url.protocol === 'https:' || url.protocol === 'http:' ? url : null
}

/** The URL parser has already turned every spelling of an IPv4 address (octal, hex, one number) into its dotted form. */
function literalOf (hostname: string): string | null {
  const bare = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname
  if (isIP(bare) !== 0) return bare
  // RFC 6761 section 6.3: these names are loopback, whatever a server answers.
  return bare === 'localhost' || bare.endsWith('.localhost') ? '127.0.0.1' : null
}

/** A resolver that never answers is one that does not know the name. */
async function withDeadline (work: Promise<string[]>): Promise<string[]> {
  let timer: NodeJS.Timeout | undefined
  const deadline = new Promise<never>((_resolve, reject) => { timer = setTimeout(() => reject(new Refusal('name_not_resolved')), RESOLVE_DEADLINE_MS) })
  try {
    return await Promise.race([work, deadline])
  } finally {
    clearTimeout(timer)
  }
}

async function resolveByDns (hostname: string): Promise<string[]> {
  const resolver = new Resolver({ timeout: RESOLVE_TIMEOUT_MS, tries: 2 })
  const answers = await Promise.allSettled([resolver.resolve4(hostname), resolver.resolve6(hostname)])
  return answers.flatMap((answer) => answer.status === 'fulfilled' ? answer.value : [])
}

function interfaceAddresses (): string[] {
  return Object.values(networkInterfaces()).flatMap((list) => list?.map(({ address }) => address) ?? [])
}

function errorOf (err: unknown, deadline: AbortSignal): EgressError {
  if (err instanceof Refusal) return err.error
  if (deadline.aborted) return 'timeout'
  return 'connection_failed'
}

function isTlsFailure (err: NodeJS.ErrnoException, socket: TLSSocket | null): boolean {
  if (err instanceof Refusal) return false
  return (socket?.authorizationError ?? null) !== null || /^(ERR_TLS|ERR_SSL|CERT_|EPROTO|UNABLE_TO|SELF_SIGNED|DEPTH_ZERO|HOSTNAME_MISMATCH)/.test(err.code ?? '')
}
