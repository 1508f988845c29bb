import type { KillEvent } from '../../plugins/lib/kill-state.ts'
import { takeEvents } from '../../plugins/lib/kill-state.ts'
import type { DeferringKillStore, InstanceReport } from '../../plugins/support/kill-store.ts'

export interface FakeKillStore extends DeferringKillStore {
  isAway: boolean
  isComplete: boolean
  clockMs: number
  reads: number
  readonly kept: Map<string, KillEvent>
  readonly written: Set<string>
  readonly deferred: Map<string, KillEvent>
  readonly heard: Map<string, InstanceReport>
}

// A store of the kill switch that can be away, lose its data and have a clock of its own.
export function fakeKillStore (name: string, options: { isComplete: boolean, clockMs?: number }): FakeKillStore {
  const store: FakeKillStore = {
    name,
    isAway: false,
    isComplete: options.isComplete,
    clockMs: options.clockMs ?? 1_000_000,
    reads: 0,
    kept: new Map(),
    written: new Set(),
    deferred: new Map(),
    heard: new Map(),
    async read () {
      answer()
      store.reads++
      return { nowMs: store.clockMs, isComplete: store.isComplete, events: [...store.kept.values()], deferred: [...store.deferred.values()] }
    },
    async adopt (events, { isComplete = false } = {}) {
      answer()
      takeEvents(store.kept, events)
      for (const { id } of events) store.written.add(id)
      store.isComplete ||= isComplete
    },
    async defer (events) {
      answer()
      for (const event of events) store.deferred.set(event.id, event)
    },
    async settle (ids) {
      answer()
      for (const id of ids) store.deferred.delete(id)
    },
    async beat (report) {
      answer()
      store.heard.set(report.boot, report)
    },
    async leave ({ boot }) {
      answer()
      store.heard.delete(boot)
    },
    async instances () {
      answer()
      return [...store.heard.values()].map((report) => ({ ...report, silentMs: 0 }))
    }
  }
  function answer (): void {
    if (store.isAway) throw new Error(`${name} is away`)
  }
  return store
}

let made = 0

export function killEvent (changes: Partial<KillEvent> = {}): KillEvent {
  const version = changes.version ?? 1_000_000 + ++made
  return { id: `kev_${++made}`, target: 'all', version, kind: 'on', writesOnly: false, reason: 'test', actor: 'test', atMs: version, untilMs: null, detail: null, ...changes }
}
