/**
 * Counters and histograms that are kept as plain numbers and become series when somebody scrapes: adding to one costs
 * nanoseconds, where a labelled observation costs microseconds, and a request makes a dozen.
 */
import { Counter, Histogram, type CounterConfiguration, type HistogramConfiguration, type LabelValues, type MetricValueWithName } from 'prom-client'

interface Count<T extends string> { readonly labels: LabelValues<T>, count: number }

export interface CountTally<T extends string> {
  /** One more of what these labels stand for each time it is called; the series is there from now on. */
  adder (labels: LabelValues<T>): () => void
}

export function countTally<T extends string> (configuration: CounterConfiguration<T>): CountTally<T> {
  const counts: Array<Count<T>> = []
  const counter: Counter<T> = new Counter({
    ...configuration,
    collect () {
      counter.reset()
      for (const { labels, count } of counts) counter.inc(labels, count)
    }
  })
  return {
    adder (labels) {
      const own = { labels, count: 0 }
      counts.push(own)
      return () => { own.count++ }
    }
  }
}

/** How often each bucket, from the smallest, and the one above all of them, was the first that a value fits into. */
interface Spread { readonly buckets: number[], sum: number, count: number }

/** A histogram with one label, in the label's own values. */
export class LatencyTally<T extends string> extends Histogram<T> {
  readonly #name: string
  readonly #help: string
  readonly #label: T
  readonly #bounds: readonly number[]
  readonly #spreads = new Map<string, Spread>()

  constructor (configuration: Omit<HistogramConfiguration<T>, 'labelNames' | 'buckets'> & { label: T, buckets: readonly number[] }) {
    const { label, buckets, ...rest } = configuration
    super({ ...rest, labelNames: [label], buckets: [...buckets] })
    this.#name = configuration.name
    this.#help = configuration.help
    this.#label = label
    this.#bounds = buckets
  }

  add (labelValue: string, seconds: number): void {
    this.#addTo(this.#spreadOf(labelValue), seconds)
  }

  /** Adds to one label value: for who has few of them and adds to them all the time. */
  adder (labelValue: string): (seconds: number) => void {
    let spread: Spread | undefined
    // None before the first value: a series without one says that something was measured.
    return (seconds) => {
      spread ??= this.#spreadOf(labelValue)
      this.#addTo(spread, seconds)
    }
  }

  #spreadOf (labelValue: string): Spread {
    let spread = this.#spreads.get(labelValue)
    if (spread === undefined) this.#spreads.set(labelValue, spread = { buckets: new Array<number>(this.#bounds.length + 1).fill(0), sum: 0, count: 0 })
    return spread
  }

  #addTo (spread: Spread, seconds: number): void {
    let at = 0
    while (at < this.#bounds.length && seconds > (this.#bounds[at] ?? 0)) at++
    spread.buckets[at] = (spread.buckets[at] ?? 0) + 1
    spread.sum += seconds
    spread.count++
  }

  /** What the registry asks, and what `get` is made of. */
  async getForPromString (): Promise<object> {
    const values = [...this.#spreads].flatMap(([labelValue, spread]) => this.#series(labelValue, spread))
    return { name: this.#name, help: this.#help, type: 'histogram', aggregator: 'sum', values }
  }

  #series (labelValue: string, { buckets, sum, count }: Spread): Array<MetricValueWithName<T>> {
    const labels = { [this.#label]: labelValue }
    let below = 0
    const one = (metricName: string, value: number, more: object = {}) => ({ metricName, value, labels: { ...more, ...labels } as LabelValues<T> })
    return [
      ...this.#bounds.map((bound, at) => {
        below += buckets[at] ?? 0
        return one(`${this.#name}_bucket`, below, { le: bound })
      }),
      one(`${this.#name}_bucket`, count, { le: '+Inf' }),
      one(`${this.#name}_sum`, sum),
      one(`${this.#name}_count`, count)
    ]
  }
}
