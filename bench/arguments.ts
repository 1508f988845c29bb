/** Numbers on the command lines of the measurements. */

/** Throws RangeError, with the option's name, for anything but a whole number of at least 1. */
export function wholeNumber (name: string, text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new RangeError(`--${name} takes a whole number of at least 1, not ${text}`)
  return Number(text)
}
