/** This service's own registry of callers: a JSON file of partners, each with the SHA-256 of its key. */
import { readFileSync } from 'node:fs'
import type { KeyRecord, KeyStore } from '@flowbeacon/public-api/plugins/context'

export interface Partner {
  name: string
  /** Hexadecimal; the key itself is nowhere. */
  key_sha256: string
  per_minute: number
}

/** Reads the file once. Throws when it is no list of partners. */
export function partnersFrom (path: string): KeyStore {
  const partners = JSON.parse(readFileSync(path, 'utf8')) as Partner[]
  const records = new Map(partners.map((partner) => [partner.key_sha256, recordOf(partner)]))
  return { findByDigest: async (sha256) => records.get(sha256.toString('hex')) ?? null }
}

function recordOf ({ name, key_sha256: digest, per_minute: perMinute }: Partner): KeyRecord {
  return { keyId: digest, orgId: name, prefix: name, permissions: [], ipAllowlist: [], perMinute, perHour: 60 * perMinute, state: 'active', expiresAtMs: null }
}
