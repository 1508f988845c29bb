/** What a proof is: one promise, counted at a size that the caller may change. See `bench/proof.ts`. */
export interface Proof {
  /** One line for the list of proofs: the promise. */
  readonly summary: string
  /** How many, unless told otherwise: the full size. */
  readonly count: number
  /** What is counted, in the plural, such as `requests`. */
  readonly unit: string
  /** Runs the proof. Rejects with `NotHereError` when the machine lacks what it needs. The same seed repeats the same inputs. */
  run (options: ProofOptions): Promise<Figure[]>
}

export interface ProofOptions {
  readonly count: number
  readonly seed: number
  /** May be called as often as is convenient; a line appears once a second at the most. */
  readonly progress: (done: number, note?: string) => void
}

export interface Figure {
  readonly what: string
  readonly value: number | string
  /** What it was held against, such as `0` or `<= 2000 ms`. Default none: the figure is only reported. */
  readonly bar?: string
  readonly ok?: boolean
}

/** Something that the proof needs is not on this machine; the message says what and how to get it. */
export class NotHereError extends Error {
  constructor (message: string) {
    super(message)
    this.name = 'NotHereError'
  }
}
