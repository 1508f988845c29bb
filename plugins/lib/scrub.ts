/**
 * The last look at a text before it is kept or logged. What should never be in it is cut to its beginning: keys to the twelve characters that
 * may be seen, signing secrets and tokens to their kind, passwords in URLs away. Not a licence to log: fields are allow-listed first.
 */
const SECRETS = /(fb_live_[0-9a-f]{4})[0-9a-z]+|(fbs_|whsec_)[0-9a-z+/=]{6,}|(eyJ)[\w-]{6,}(?:\.[\w-]*){0,2}|(:\/\/[^\s:@/"\\]*):[^\s@/"\\]+(?=@)/gi

/** The text without the rest of any secret that it holds. Stays valid JSON where it was. */
export function scrub (text: string): string {
  return text.replace(SECRETS, (_whole, key: string | undefined, kind: string | undefined, token: string | undefined, user: string | undefined) => user === undefined ? `${key ?? kind ?? token ?? ''}...` : `${user}:...`)
}
