/** Which scenarios share which connections, counted while they are judged one by one. Keeps names of connections and numbers, no graph. */
import type { Platform } from './graph/types.ts'
import type { ConnectionReach, ConnectionUse } from './organization.ts'

export interface ConnectionTally {
  /** `scenario`: any number of its own. */
  add (scenario: number, platform: Platform, uses: ReadonlyMap<string, ConnectionUse>): void
  /**
   * For each scenario whose judgement it can change: what all scenarios do with the connections that it shares. These are connections of
   * at least `limit` scenarios, and those that are used for both everyday and consequential changes. In order of the scenarios.
   */
  reaches (limit: number): Map<number, Record<string, ConnectionReach>>
}

interface Shared extends ConnectionReach { key: string, by: number[] }

export function connectionTally (): ConnectionTally {
  const all = new Map<string, Shared>()
  return {
    add (scenario, platform, uses) {
      for (const [key, { writes, consequential }] of uses) {
        const shared = all.get(`${platform} ${key}`) ?? { key, scenarios: 0, writes: false, consequential: false, by: [] }
        all.set(`${platform} ${key}`, shared)
        shared.scenarios++
        shared.writes ||= writes
        shared.consequential ||= consequential
        shared.by.push(scenario)
      }
    },
    reaches (limit) {
      const found = new Map<number, Record<string, ConnectionReach>>()
      for (const { key, by, ...reach } of all.values()) {
        if (by.length < 2 || (reach.scenarios < limit && !(reach.writes && reach.consequential))) continue
        for (const scenario of by) found.set(scenario, { ...found.get(scenario), [key]: reach })
      }
      return new Map([...found].sort((a, b) => a[0] - b[0]))
    }
  }
}
