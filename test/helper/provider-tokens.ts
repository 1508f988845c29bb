import fc from 'fast-check'

const DIGITS = '0123456789'
const UPPER = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'
const LOWER = UPPER.toLowerCase()
const ALNUM = `${UPPER}${LOWER}${DIGITS}`
const URL_SAFE = `${ALNUM}-_`
const HEX = `${DIGITS}abcdef`

// Made as the providers make them, from their published forms, not from the patterns under test.
const made = (form: readonly (string | readonly [alphabet: string, length: number])[]): fc.Arbitrary<string> =>
  fc.tuple(...form.map((part) => typeof part === 'string' ? fc.constant(part) : random(part[0], part[1]))).map((parts) => parts.join(''))

function random (alphabet: string, length: number): fc.Arbitrary<string> {
  // No bias towards small values and no shrinking: a row of one character is a placeholder, not a token.
  return fc.noShrink(fc.noBias(fc.string({ unit: fc.constantFrom(...alphabet), minLength: length, maxLength: length })))
}

const jwtPart = (claims: fc.Arbitrary<object>): fc.Arbitrary<string> => claims.map((value) => Buffer.from(JSON.stringify(value)).toString('base64url'))
const jwt = fc.tuple(
  jwtPart(fc.constantFrom({ alg: 'HS256', typ: 'JWT' }, { alg: 'RS256', kid: 'a1', typ: 'JWT' }, { typ: 'JWT', alg: 'ES256' })),
  jwtPart(fc.record({ sub: fc.uuid(), iat: fc.nat(), role: fc.constantFrom('anon', 'service_role') })),
  random(URL_SAFE, 43)
).map((parts) => parts.join('.'))

const pem = fc.tuple(fc.constantFrom('', 'RSA ', 'EC ', 'OPENSSH ', 'ENCRYPTED '), fc.array(random(`${ALNUM}+/`, 64), { minLength: 3, maxLength: 6 }), fc.constantFrom('\n', '\\n', '\r\n'))
  .map(([name, lines, end]) => [`-----BEGIN ${name}PRIVATE KEY-----`, ...lines, `-----END ${name}PRIVATE KEY-----`].join(end))

export const PROVIDER_TOKENS: Readonly<Record<string, fc.Arbitrary<string>>> = {
  openai: fc.oneof(made(['sk-', [ALNUM, 20], 'T3BlbkFJ', [ALNUM, 20]]), made(['sk-proj-', [URL_SAFE, 74], 'T3BlbkFJ', [URL_SAFE, 74]]), made(['sk-svcacct-', [URL_SAFE, 58], 'T3BlbkFJ', [URL_SAFE, 58]])),
  anthropic: made(['sk-ant-api03-', [URL_SAFE, 93], 'AA']),
  aws: fc.oneof(made(['AKIA', [`${UPPER}234567`, 16]]), made(['ASIA', [`${UPPER}234567`, 16]])),
  google: made(['AIza', [URL_SAFE, 35]]),
  slack: fc.oneof(
    made(['xoxb-', [DIGITS, 12], '-', [DIGITS, 13], '-', [ALNUM, 24]]), made(['xoxp-', [DIGITS, 12], '-', [DIGITS, 12], '-', [DIGITS, 13], '-', [HEX, 32]]),
    made(['xapp-1-A', [`${UPPER}${DIGITS}`, 10], '-', [DIGITS, 13], '-', [HEX, 64]]), made(['xoxe.xoxp-1-', [ALNUM, 150]])
  ),
  github: fc.oneof(...['ghp_', 'gho_', 'ghu_', 'ghs_', 'ghr_'].map((prefix) => made([prefix, [ALNUM, 36]])), made(['github_pat_', [ALNUM, 22], '_', [ALNUM, 59]])),
  stripe: fc.oneof(...['sk_live_', 'sk_test_', 'rk_live_'].flatMap((prefix) => [made([prefix, [ALNUM, 24]]), made([prefix, [ALNUM, 99]])])),
  sendgrid: made(['SG.', [URL_SAFE, 22], '.', [URL_SAFE, 43]]),
  // In addresses behind the word `bot`.
  telegram: fc.oneof(...[8, 9, 10].flatMap((length) => [made([[DIGITS, length], ':AA', [URL_SAFE, 33]]), made(['bot', [DIGITS, length], ':AA', [URL_SAFE, 33]])])),
  notion: fc.oneof(made(['ntn_', [DIGITS, 11], [ALNUM, 35]]), made(['secret_', [ALNUM, 43]])),
  airtable: made(['pat', [ALNUM, 14], '.', [HEX, 64]]),
  huggingface: made(['hf_', [`${UPPER}${LOWER}`, 34]]),
  groq: made(['gsk_', [ALNUM, 52]]),
  apify: made(['apify_api_', [ALNUM, 36]]),
  rapidapi: made([[HEX, 10], 'msh', [HEX, 15], 'p1', [HEX, 5], 'jsn', [HEX, 12]]),
  jwt,
  'private-key': pem
}
