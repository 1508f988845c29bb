import type { FactGraph } from '../graph/types.ts'

interface Frame { index: number, at: number }

/**
 * Groups of more than one node that lead back to themselves, and nodes that lead to themselves. Edges of sub-nodes and feeders are left
 * out: they are calls and references, not control.
 */
export function cyclesOf ({ nodes, edges }: FactGraph): number[][] {
  const out: number[][] = nodes.map(() => [])
  const loops = new Set<number>()
  for (const { from, to, kind } of edges) {
    if (kind === 'ai' || kind === 'tool' || kind === 'feed') continue
    if (from === to) loops.add(from)
    out[from]?.push(to)
  }
  return components(out)
    .filter((members) => members.length > 1 || loops.has(members[0] ?? -1))
    .map((members) => members.sort((a, b) => a - b))
    .sort((a, b) => (a[0] ?? 0) - (b[0] ?? 0))
}

export interface Levels { level: Int32Array, group: Int32Array }

/**
 * How many steps lie before each node on the longest way to it, with every loop counted as one step: whatever runs before a node stands
 * on a lower level. Independent of the order in which edges are listed. `group`: nodes of one loop share a number.
 */
export function levelsOf (out: readonly (readonly number[])[]): Levels {
  const level = new Int32Array(out.length)
  const group = new Int32Array(out.length)
  // Tarjan finds what is led to before what leads there, so from the last to the first each group comes before those behind it.
  const found = components(out)
  found.forEach((members, index) => { for (const member of members) group[member] = index })
  for (const members of found.reverse()) {
    const deepest = members.reduce((most, member) => Math.max(most, level[member] ?? 0), 0)
    for (const member of members) level[member] = deepest
    for (const to of members.flatMap((member) => out[member] ?? [])) {
      if (group[to] !== group[members[0] ?? -1]) level[to] = Math.max(level[to] ?? 0, deepest + 1)
    }
  }
  return { level, group }
}

/** Strongly connected components (Tarjan, 1972), with a stack of its own: depth costs memory and no call stack. */
function components (out: readonly (readonly number[])[]): number[][] {
  const order = new Int32Array(out.length).fill(-1)
  const low = new Int32Array(out.length)
  const isOpen = new Uint8Array(out.length)
  const open: number[] = []
  const found: number[][] = []
  let next = 0

  function enter (index: number): Frame {
    order[index] = low[index] = next++
    open.push(index)
    isOpen[index] = 1
    return { index, at: 0 }
  }

  function leave (index: number): void {
    if (low[index] !== order[index]) return
    const members: number[] = []
    for (let member = open.pop(); member !== undefined; member = open.pop()) {
      isOpen[member] = 0
      members.push(member)
      if (member === index) break
    }
    found.push(members)
  }

  for (let start = 0; start < out.length; start++) {
    if (order[start] !== -1) continue
    const stack = [enter(start)]
    for (let frame = stack.at(-1); frame !== undefined; frame = stack.at(-1)) {
      const { index } = frame
      const to = out[index]?.[frame.at++]
      if (to === undefined) {
        leave(index)
        stack.pop()
        const parent = stack.at(-1)
        if (parent !== undefined) low[parent.index] = Math.min(low[parent.index] ?? 0, low[index] ?? 0)
      } else if (order[to] === -1) {
        stack.push(enter(to))
      } else if (isOpen[to] === 1) {
        low[index] = Math.min(low[index] ?? 0, order[to] ?? 0)
      }
    }
  }
  return found
}
