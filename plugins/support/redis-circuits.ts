/**
 * Circuits towards Redis: one for each part of the deployment that can be away alone (a cluster has one per master, everything else
 * has one). While a circuit is open the admission script itself is run on keys of the circuit's own: what lets it through, memory,
 * role, replicas and rights included, lets a request through.
 */
import { hashTagOf } from '../lib/hash-slot.ts'
import { createCircuit, SilenceError, type Circuit, type CircuitOptions, type CircuitState } from './circuit.ts'
import { renewConnection, shardOf, type RedisClient } from './redis-connection.ts'
import { runAdmitScript } from './redis-scripts.ts'
import type { Guard } from './redis.ts'

const PROBE_LIMIT = 1000
const PROBE_EPOCH = 'probe'
const PROBE_REPLAY_TTL_SECONDS = 1

export interface RedisCircuitsOptions extends Pick<CircuitOptions, 'deadlineMs' | 'failuresMax' | 'probeEveryMs' | 'inFlightMax'> {
  /** First part of every key. Default `fb`. */
  readonly prefix?: string
  /** Told when a circuit opens, with the error that did it, and when it closes. The shard is empty but for a cluster. */
  readonly onChange?: (state: 'open' | 'closed', shard: string, cause?: unknown) => void
}

export interface RedisCircuits {
  readonly guard: Guard
  /** `open` when any part is away. */
  readonly state: 'open' | 'closed'
  /** The parts that are away. */
  readonly openShards: readonly string[]
  stop (): void
}

interface Part { readonly circuit: Circuit, lastKey: string }

export function redisCircuits (redis: RedisClient, options: RedisCircuitsOptions = {}): RedisCircuits {
  const { prefix = 'fb', onChange = () => {}, ...limits } = options
  const parts = new Map<string, Part>()

  async function probe (part: Part): Promise<void> {
    if (redis.status !== 'ready') await notConnected()
    const keyOf = (name: string) => `${prefix}:probe:{${hashTagOf(part.lastKey)}}:${name}`
    await runAdmitScript(redis, [keyOf('e'), keyOf('w'), keyOf('r')], [PROBE_EPOCH, PROBE_EPOCH, PROBE_LIMIT, PROBE_LIMIT, PROBE_REPLAY_TTL_SECONDS].map(String))
  }

  function createPart (shard: string, key: string): Part {
    let reported: CircuitState = 'closed'
    const part: Part = {
      lastKey: key,
      circuit: createCircuit({
        ...limits,
        probe: () => probe(part),
        onChange (state, cause) {
          if (state === 'half-open') return
          if (state === 'open' && (reported === 'closed' || cause instanceof SilenceError)) renewConnection(redis, shard)
          if (state === reported) return
          reported = state
          onChange(state, shard, cause)
        }
      })
    }
    parts.set(shard, part)
    return part
  }

  const openShards = () => [...parts].filter(([, { circuit }]) => circuit.state !== 'closed').map(([shard]) => shard)
  return {
    guard (key, work) {
      const shard = shardOf(redis, key)
      const part = parts.get(shard) ?? createPart(shard, key)
      part.lastKey = key
      return part.circuit.run(redis.status === 'ready' ? work : notConnected)
    },
    get state () { return openShards().length === 0 ? 'closed' : 'open' },
    get openShards () { return openShards() },
    stop () { for (const { circuit } of parts.values()) circuit.stop() }
  }
}

// A cluster's client keeps what it is given before it knows the nodes, without a deadline.
async function notConnected (): Promise<never> {
  throw new Error('Redis is not connected')
}
