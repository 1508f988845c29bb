import t from 'tap'
import { isPlainHttpPublic, isSecretField, isSecretValue, looksLikeToken, providerOf } from '../../../evaluation/graph/patterns.ts'

const RANDOM = 'aB3dE6gH9jK2mN5pQ8sT1vW4yZ7cF0iL'.repeat(8)
const HEX = '3f9a0c7be1d24856'.repeat(8)
const TOKENS: [string, string][] = [
  ['openai', `sk-${RANDOM.slice(0, 48)}`], ['openai', `sk-proj-${RANDOM.slice(0, 60)}`], ['anthropic', `sk-ant-api03-${RANDOM.slice(0, 93)}`],
  ['aws', 'AKIAQ3EGRIM7YB2KXW4P'], ['google', `AIza${RANDOM.slice(0, 35)}`], ['slack', `xoxb-${'8203914756'}-${RANDOM.slice(0, 24)}`],
  ['github', `ghp_${RANDOM.slice(0, 36)}`], ['stripe', `sk_live_${RANDOM.slice(0, 24)}`], ['sendgrid', `SG.${RANDOM.slice(0, 22)}.${RANDOM.slice(3, 46)}`],
  ['telegram', `827461935:AA${RANDOM.slice(0, 33)}`], ['notion', `ntn_${RANDOM.slice(0, 46)}`], ['airtable', `pat${RANDOM.slice(0, 14)}.${HEX.slice(0, 64)}`],
  ['huggingface', `hf_${RANDOM.slice(0, 34)}`], ['groq', `gsk_${RANDOM.slice(0, 52)}`], ['apify', `apify_api_${RANDOM.slice(0, 36)}`],
  ['rapidapi', '3f9a0c7be1msh3f9a0c7be1d2485p13f9a0jsn3f9a0c7be1d2'], ['jwt', `eyJ${RANDOM.slice(0, 20)}.eyJ${RANDOM.slice(0, 40)}.${RANDOM.slice(0, 43)}`],
  ['private-key', `-----BEGIN RSA PRIVATE KEY-----\n${RANDOM.slice(0, 64)}\n`]
]

t.test('names the provider of each token, bare and inside other text', async (t) => {
  for (const [provider, token] of TOKENS) {
    t.equal(providerOf(token, 'literal'), provider, provider)
    t.equal(providerOf(`const key = "${token}"; // ok`, 'code'), provider, provider)
    t.equal(looksLikeToken(token), true)
  }
})

t.test('excuses placeholders and names inside references', async (t) => {
  for (const text of [`sk-${'x'.repeat(48)}`, `sk-YOUR${RANDOM.slice(0, 44)}`, `MASKED_ghp_${RANDOM.slice(0, 36)}`, `ghp_${'0'.repeat(36)}`, 'AKIAIOSFODNN7EXAMPLE', 'sk-<key>']) {
    t.equal(providerOf(text, 'literal'), null, text.slice(0, 12))
  }
  t.equal(providerOf(`={{ $json['ghp_${RANDOM.slice(0, 36)}'] }}`, 'expression'), null)
})

t.test('tells a name that a reference reads from a token in quotes', async (t) => {
  const name = `ghp_${RANDOM.slice(0, 36)}`
  for (const text of [`={{ $json.${name} }}`, `={{ $json?.${name} }}`, `={{ $json["${name}"] }}`, `={{ $('${name}').item }}`, `{{1.\`${name}\`}}`, `={{ $node['${name}'].json }}`]) t.equal(providerOf(text, 'template'), null, text)
  for (const text of [`={{ ['${name}'] }}`, `={{ \`${name}\` }}`, `={{ "${name}" }}`, `done.${name} {{1.a}}`, `{{1.a}}.${name}`]) t.equal(providerOf(text, 'template'), 'github', text)
  for (const text of [`[\`${name}\`]`, `f(\`${name}\`)`, `x = ["${name}"]`]) t.equal(providerOf(text, 'code'), 'github', text)
})

t.test('takes only random-looking literals in secret-named fields for secrets', async (t) => {
  for (const field of ['apiKey', 'X-Api-Key', 'client_secret', 'Authorization', 'password', 'accessToken', 'token']) t.equal(isSecretField(field), true, field)
  for (const field of ['account', 'pageToken', 'maxTokens', 'secretName', 'authentication', 'keywordDifficulty', 'key']) t.equal(isSecretField(field), false, field)
  for (const value of ['959c1a74-0b7e-4d0e-9f63-7a2b11c0d3e8', 'Bearer k29Dm1xQz8Lw']) t.equal(isSecretValue(value), true, value)
  for (const value of ['short1', 'predefinedCredentialType', 'two words here 12', `0x${HEX.slice(0, 40)}`, 'https://a.b/c1d2e3f4', 'YOUR_API_KEY_12345', 'aaaaaaaaaaaa1']) {
    t.equal(isSecretValue(value), false, value)
  }
})

t.test('takes only fixed public hosts for public', async (t) => {
  for (const url of ['http://a.com', '=http://a.com/{{ $json.x }}', 'HTTP://A.COM:80/', 'http://8.8.8.8/x', 'http://u:p@a.com']) t.equal(isPlainHttpPublic(url), true, url)
  for (const url of ['https://a.com', 'http://localhost:80', 'http://10.1.2.3', 'http://172.20.0.1', 'http://192.168.1.1/', 'http://db/', 'http://x.local', 'http://x.internal',
    'http://[::1]/', 'http://{{ $json.h }}/', 'http://127.0.0.1', 'see http://a.com', '={{ $json.u }}']) t.equal(isPlainHttpPublic(url), false, url)
})

t.test('reads a megabyte built against each pattern without backtracking', async (t) => {
  for (const unit of ['eyJaaaaaaaaaaa.', 'eyJ', 'sk-ant-a-', 'sk-', 'xoxb-', 'ghp_', '-----BEGIN ', 'A ', 'msh', '0123456789msh', '1234567890:AA', 'patAAAAAAAAAAAAAA.', 'SG.', 'aaaaa',
    '%20eyJaaaaaaaaaaa.', '\\neyJaaaa', '\\u0041sk-', `a.ghp_${RANDOM.slice(0, 36)} `, `ghp_${RANDOM.slice(0, 30)}EXAMPLE `, `'ghp_${'0'.repeat(36)}`, `your_AKIA${'Q3EGRIM7YB2KXW4P'}-`, '{{a.ghp_']) {
    for (const kind of ['code', 'template'] as const) {
      const text = unit.repeat(Math.ceil(1_000_000 / unit.length))
      const before = process.cpuUsage()
      providerOf(text, kind)
      const { user, system } = process.cpuUsage(before)
      t.ok(user + system < 1_000_000, `${unit}: ${Math.round((user + system) / 1000)} ms of a processor`)
    }
  }
})
