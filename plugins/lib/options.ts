/**
 * What a layer is given, judged before anything is registered: an option that is missing, of the wrong kind or misspelt stops the boot with
 * a sentence that names the layer, the option and what it must be. None of them becomes a default.
 */
export interface OptionRule {
  /** What the value must be, in words that follow "must be". */
  readonly be: string
  readonly holds: (value: unknown) => boolean
  /** Whether there is no default. */
  readonly isRequired?: boolean
}

/** A rule for each option there is. */
export type OptionRules<Options> = { readonly [Name in keyof Options]-?: OptionRule }

/** Throws a TypeError for the first option that breaks a rule. */
export function assertOptions<Options extends object> (layer: string, options: Options, rules: OptionRules<Options>): void {
  const names = Object.keys(rules)
  for (const name of Object.keys(options)) if (!names.includes(name)) throw new TypeError(`${layer}: there is no option ${name}; ${names.length === 0 ? 'this layer takes none' : `there are ${names.join(', ')}`}`)
  for (const [name, { be, holds, isRequired }] of Object.entries<OptionRule>(rules)) {
    const value: unknown = Reflect.get(options, name)
    if (value === undefined && isRequired === true) throw new TypeError(`${layer}: the option ${name} must be ${be}, and was not given`)
    if (value !== undefined && !holds(value)) throw new TypeError(`${layer}: the option ${name} must be ${be}`)
  }
}

export const BOOLEAN: OptionRule = { be: 'true or false', holds: (value) => typeof value === 'boolean' }
export const FUNCTION: OptionRule = { be: 'a function', holds: (value) => typeof value === 'function' }
export const OBJECT: OptionRule = { be: 'an object', holds: (value) => typeof value === 'object' && value !== null }
export const TEXT: OptionRule = { be: 'a text that is not empty', holds: (value) => typeof value === 'string' && value !== '' }

export function required (rule: OptionRule): OptionRule {
  return { ...rule, isRequired: true }
}

/** A whole number from one up, below `end` where one is given. */
export function positiveWhole (unit: string, end = Infinity): OptionRule {
  return { be: `a positive whole number${unit === '' ? '' : ` of ${unit}`}${end === Infinity ? '' : ` below ${end}`}`, holds: (value) => Number.isSafeInteger(value) && Number(value) >= 1 && Number(value) < end }
}

export function bytes (least: number): OptionRule {
  return { be: `a Buffer of at least ${least} bytes`, holds: (value) => Buffer.isBuffer(value) && value.length >= least }
}

/** An object with these methods. */
export function port (name: string, ...methods: readonly string[]): OptionRule {
  return { be: `${name}: an object with ${methods.join(' and ')}`, holds: (value) => typeof value === 'object' && value !== null && methods.every((method) => typeof Reflect.get(value, method) === 'function') }
}
