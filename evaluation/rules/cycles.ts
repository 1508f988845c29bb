import type { FactGraph } from '../graph/types.ts'

interface Frame { index: number, at: number }

/**
 * Strongly connected components of more than one node, and nodes that lead to themselves (Tarjan, 1972), with a stack of its own: depth
 * costs memory and no call stack. Edges of sub-nodes and feeders are left out: they are calls and references, not control.
 */
export function cyclesOf (graph: FactGraph): number[][] {
  const { nodes, edges } = graph
  const out: number[][] = nodes.map(() => [])
  const loops = new Set<number>()
  for (const { from, to, kind } of edges) {
    if (kind === 'ai' || kind === 'tool' || kind === 'feed') continue
    if (from === to) loops.add(from)
    out[from]?.push(to)
  }
  const order = new Int32Array(nodes.length).fill(-1)
  const low = new Int32Array(nodes.length)
  const isOpen = new Uint8Array(nodes.length)
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
    if (members.length > 1 || loops.has(index)) found.push(members.sort((a, b) => a - b))
  }

  for (let start = 0; start < nodes.length; start++) {
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
  return found.sort((a, b) => (a[0] ?? 0) - (b[0] ?? 0))
}
