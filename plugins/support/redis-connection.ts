/**
 * The connection to Redis in every form it is deployed in: one server, a master that sentinels name, a cluster. A connection that is
 * silent for a second ends, nothing is queued while the server is away, and no command is ever sent twice by the client, because an
 * admission that was sent may have been spent. (A redirection inside a cluster is no second time: the first node did not do it.)
 */
import { Cluster, Redis, type ClusterOptions, type RedisOptions } from 'ioredis'
import { hashSlotOf } from '../lib/hash-slot.ts'
import { parseRedisUrl, type RedisTarget } from '../lib/redis-url.ts'
import { atTurnEnd } from '../lib/turn.ts'

export type RedisClient = Redis | Cluster

const CONNECT_TIMEOUT_MS = 1000
/** Silence that ends a connection with commands under way, the greeting included; the circuits' own deadline is shorter. */
const SOCKET_TIMEOUT_MS = 1000
/** A server that hangs does not say goodbye, so the socket is closed from this side alone. */
const DISCONNECT_TIMEOUT_MS = 50
const RECONNECT_STEP_MS = 50
const RECONNECT_DELAY_MAX_MS = 500
const LOADING_RETRY_MS = 250
const SENTINEL_RETRY_MS = 250
const SLOTS_REFRESH_MS = 1000
const CLOSE_TIMEOUT_MS = 1000

export interface RedisLogger {
  warn (fields: object, message: string): void
  info? (fields: object, message: string): void
}

/** Opens a connection that reconnects by itself. Losing and regaining the server are logged once each. Throws RangeError for a URL that it does not understand. */
export function connectRedis (url: string, options: { logger?: RedisLogger } = {}): RedisClient {
  const target = parseRedisUrl(url)
  const redis = target.form === 'cluster' ? openCluster(target) : openSingle(target)
  let isAway = false
  redis.on('error', (err: NodeJS.ErrnoException) => {
    if (isAway) return
    isAway = true
    options.logger?.warn({ code: err.code ?? err.name, reason: err.message }, 'Redis is away')
  })
  redis.on('ready', () => {
    if (isAway) options.logger?.info?.({}, 'Redis is back')
    isAway = false
  })
  return redis
}

function openSingle (target: RedisTarget): Redis {
  const [first] = target.nodes
  if (target.form === 'single') return sentTogether(new Redis({ ...nodeOptions(target), ...first, db: target.database, retryStrategy: reconnectDelayMs }))
  return sentTogether(keptOpen(new Redis({
    ...nodeOptions(target),
    sentinels: [...target.nodes],
    ...(target.masterName === undefined ? {} : { name: target.masterName }),
    ...(target.sentinelUsername === undefined ? {} : { sentinelUsername: target.sentinelUsername }),
    ...(target.sentinelPassword === undefined ? {} : { sentinelPassword: target.sentinelPassword }),
    ...(target.isTls ? { enableTLSForSentinelMode: true, sentinelTLS: {} } : {}),
    db: target.database,
    retryStrategy: reconnectDelayMs,
    sentinelRetryStrategy: () => SENTINEL_RETRY_MS,
    sentinelReconnectStrategy: () => RECONNECT_DELAY_MAX_MS,
    sentinelCommandTimeout: CONNECT_TIMEOUT_MS,
    // The sentinels' announcement of a new master ends the connection to the old one at once.
    failoverDetector: true
  })))
}

/**
 * The commands of one turn of the event loop leave in one write: their texts are joined, and sent when the turn ends. The client's own pipelines
 * do the same for twice the processor time, because each command is made, sent and answered twice there; a socket that is corked
 * gathers its pieces for half a microsecond each.
 */
function sentTogether (redis: Redis): Redis {
  const send = redis.sendCommand.bind(redis)
  let joined: JoinedWrites | null = null
  const flush = (): void => {
    joined?.flush()
    joined = null
  }
  redis.sendCommand = (command, stream) => {
    // A pipeline and a greeting go straight to the socket. Answers come in the order of sending, so nothing may be overtaken.
    if (stream !== undefined || redis.status !== 'ready') {
      flush()
      return send(command, stream)
    }
    if (joined === null) atTurnEnd(flush)
    if (joined?.socket !== redis.stream) joined = new JoinedWrites(redis.stream)
    return send(command, joined)
  }
  return redis
}

/** What a client takes in the place of its socket: the writable of a pipeline. */
class JoinedWrites {
  readonly isPipeline = true
  readonly destination: { readonly redis: { readonly stream: Redis['stream'] } }
  #text = ''

  constructor (socket: Redis['stream']) {
    this.destination = { redis: { stream: socket } }
  }

  get socket (): Redis['stream'] {
    return this.destination.redis.stream
  }

  write (piece: string | Buffer): void {
    if (typeof piece === 'string') {
      this.#text += piece
      return
    }
    this.flush()
    if (this.socket.writable) this.socket.write(piece)
  }

  /** A socket that has ended meanwhile took its commands with it: they are rejected already. */
  flush (): void {
    if (this.#text !== '' && this.socket.writable) this.socket.write(this.#text)
    this.#text = ''
  }
}

/**
 * ioredis 6 ends for good when the announcement of a new master reaches it while it asks a sentinel for the master: the detector disconnects
 * the connector, and the attempt that was under way fails without another. Such an end was asked for by nobody, so it begins again.
 */
function keptOpen (redis: Redis): Redis {
  let isWanted = true
  const disconnect = redis.disconnect.bind(redis)
  redis.disconnect = (reconnect = false) => {
    if (!reconnect) isWanted = false
    disconnect(reconnect)
  }
  redis.on('end', () => {
    // A connection that could not be made says so by its own events.
    setTimeout(() => { if (isWanted && redis.status === 'end') redis.connect().catch(() => {}) }, SENTINEL_RETRY_MS).unref()
  })
  return redis
}

function openCluster (target: RedisTarget): Cluster {
  const { enableOfflineQueue: _none, ...redisOptions } = nodeOptions(target)
  const options = {
    redisOptions,
    enableAutoPipelining: true,
    enableOfflineQueue: false,
    clusterRetryStrategy: reconnectDelayMs,
    slotsRefreshInterval: SLOTS_REFRESH_MS,
    slotsRefreshTimeout: CONNECT_TIMEOUT_MS,
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0
  } satisfies ClusterOptions
  return new Cluster(target.nodes.map(({ host, port }) => ({ host, port })), options)
}

function nodeOptions (target: RedisTarget) {
  return {
    ...(target.username === undefined ? {} : { username: target.username }),
    ...(target.password === undefined ? {} : { password: target.password }),
    ...(target.isTls ? { tls: {} } : {}),
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    socketTimeout: SOCKET_TIMEOUT_MS,
    connectTimeout: CONNECT_TIMEOUT_MS,
    disconnectTimeout: DISCONNECT_TIMEOUT_MS,
    maxLoadingRetryTime: LOADING_RETRY_MS,
    maxRetriesPerRequest: 0,
    reconnectOnError: reconnectOnceIfReadOnly()
  } satisfies RedisOptions
}

/** After a failover the old primary answers READONLY; reconnecting finds the new one. Once for all the commands that were under way. */
function reconnectOnceIfReadOnly (): (err: Error) => boolean {
  let reconnectedMs = Number.NEGATIVE_INFINITY
  return (err) => {
    if (!err.message.startsWith('READONLY') || performance.now() - reconnectedMs < RECONNECT_STEP_MS) return false
    reconnectedMs = performance.now()
    return true
  }
}

function reconnectDelayMs (attempt: number): number {
  return Math.min(attempt * RECONNECT_STEP_MS, RECONNECT_DELAY_MAX_MS) * (0.5 + Math.random() / 2)
}

/** The part of the deployment that serves a key, so that one that is away takes no other with it: always the same text but for a cluster. */
export function shardOf (redis: RedisClient, key: string): string {
  return redis instanceof Cluster ? redis.slots[hashSlotOf(key)]?.[0] ?? '' : ''
}

/** Ends a connection whose answers are late or strange; it is opened anew at once, and a sentinel is asked again. */
export function renewConnection (redis: RedisClient, shard = ''): void {
  if (redis instanceof Redis) {
    if (redis.status === 'ready') redis.disconnect(true)
    return
  }
  for (const node of redis.nodes('all')) if (`${node.options.host}:${node.options.port}` === shard && node.status === 'ready') node.disconnect(true)
}

/** Tells of every connection that ends: what a server said before is then no longer to be relied on. */
export function onConnectionEnd (redis: RedisClient, listener: () => void): void {
  redis.on('close', listener)
  if (redis instanceof Redis) return
  const watch = (node: Redis) => { node.on('close', listener) }
  redis.on('+node', watch)
  for (const node of redis.nodes('all')) watch(node)
}

/** Resolves to whether the connection became ready within the deadline. Commands sent earlier are rejected, not queued. */
export async function whenReady (redis: RedisClient, deadlineMs = CONNECT_TIMEOUT_MS): Promise<boolean> {
  if (redis.status === 'ready') return true
  return await new Promise((resolve) => {
    const settle = (isReady: boolean) => {
      clearTimeout(timer)
      redis.off('ready', onReady)
      redis.off('end', onEnd)
      resolve(isReady)
    }
    const onReady = () => settle(true)
    const onEnd = () => settle(false)
    const timer = setTimeout(onEnd, deadlineMs)
    redis.once('ready', onReady)
    redis.once('end', onEnd)
  })
}

/** Lets sent commands finish, then closes; a server that does not answer is left after a second. */
export async function closeRedis (redis: RedisClient): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const deadline = new Promise<void>((resolve) => { timer = setTimeout(resolve, CLOSE_TIMEOUT_MS) })
  // A refused QUIT means that there is nothing left to say goodbye to.
  await Promise.race([redis.quit().then(() => undefined, () => undefined), deadline])
  clearTimeout(timer)
  redis.disconnect()
}
