/**
 * In-process adapters of the shared ports, for the embedded default: one process, no Redis. They answer to the same
 * contract test as the Redis adapters. What they hold is lost with the process: open result tokens are then refused, and
 * key records are read again because the new epochs are random.
 */
import { randomUUID } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { AdmissionStore, SingleUseStore } from '../context.ts'
import { localWindows } from '../lib/local-windows.ts'

const KEYS_MAX = 100_000
const REPLAYS_MAX = 1_000_000
const SWEEP_EVERY_MS = 30_000

export interface MemoryOptions {
  /** Unix milliseconds. Default `Date.now`. */
  readonly now?: () => number
}

export function memoryAdmissionStore (options: MemoryOptions = {}): AdmissionStore {
  const windows = localWindows({ instances: 1, keysMax: KEYS_MAX, replaysMax: REPLAYS_MAX, ...options })
  const epochs = new LRUCache<string, string>({ max: KEYS_MAX })
  const renewEpoch = (keyId: string) => {
    const epoch = randomUUID()
    epochs.set(keyId, epoch)
    return epoch
  }
  return {
    async admit (request) {
      const epoch = epochs.get(request.keyId) ?? renewEpoch(request.keyId)
      if (epoch !== request.epoch) return { outcome: 'stale', epoch }
      for (const atMs of request.admittedAloneMs ?? []) windows.note(request.keyId, request.perMinute, request.perHour, atMs)
      return windows.admit(request.keyId, request.perMinute, request.perHour, request.replayId, request.replayTtlSeconds)
    },
    async readWindow ({ keyId, perMinute, perHour }) {
      return windows.read(keyId, perMinute, perHour)
    },
    async readEpoch (keyId) {
      return epochs.get(keyId) ?? renewEpoch(keyId)
    },
    async bumpEpoch (keyId) {
      renewEpoch(keyId)
    }
  }
}

export function memorySingleUseStore (options: MemoryOptions = {}): SingleUseStore {
  const now = options.now ?? Date.now
  const records = new Map<string, { state: 'issued' | 'used', expiresAtMs: number }>()
  let sweptMs = now()

  function find (id: string) {
    const record = records.get(id)
    return record === undefined || record.expiresAtMs <= now() ? undefined : record
  }
  function sweep (): void {
    const nowMs = now()
    if (Math.abs(nowMs - sweptMs) < SWEEP_EVERY_MS) return
    sweptMs = nowMs
    for (const [id, record] of records) if (record.expiresAtMs <= nowMs) records.delete(id)
  }

  return {
    async issue (id, ttlSeconds) {
      sweep()
      if (find(id) === undefined) records.set(id, { state: 'issued', expiresAtMs: now() + ttlSeconds * 1000 })
    },
    async take (id) {
      const record = find(id)
      if (record === undefined) return 'unknown'
      if (record.state === 'used') return 'used'
      record.state = 'used'
      return 'taken'
    },
    async giveBack (id) {
      const record = find(id)
      if (record?.state === 'used') record.state = 'issued'
    }
  }
}
