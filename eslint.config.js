// Formatting is neostandard's; the rest keeps imports pointing one way (docs/architecture.md).
import neostandard, { plugins } from 'neostandard'

const typescript = plugins['typescript-eslint'].plugin

function forbid (files, patterns, ignores = []) {
  return { files, ignores, rules: { 'no-restricted-imports': ['error', { paths: [{ name: 'typebox', message: 'Use @sinclair/typebox.' }], patterns }] } }
}

const layers = ['./transport.ts', './authentication.ts', './signature.ts', './ip-allowlist.ts', './org-scope.ts', './permission-scopes.ts',
  './rate-limits.ts', './anomaly-detection.ts', './watermark.ts', './kill-switch.ts']
const outside = ['**/config.ts', '**/app.ts', '**/routes/**', '**/db/**', '**/evaluation/**', '**/bin/**']

export default [
  ...neostandard({ ts: true, ignores: ['**/dist/**', 'build/**', '.tap/**', '.h*/**', 'node_modules/**'] }),
  {
    files: ['**/*.ts'],
    ignores: ['test/**'],
    plugins: { '@typescript-eslint': typescript },
    rules: { '@typescript-eslint/no-explicit-any': 'error', '@typescript-eslint/no-non-null-assertion': 'error' }
  },
  // Lines of other files, as they stand.
  { files: ['test/defects/*.ts'], rules: { 'no-template-curly-in-string': 'off' } },
  forbid(['plugins/*.ts'], [{ group: [...layers, ...outside], message: 'A layer imports context.ts, errors.ts and lib/ only.' }], ['plugins/index.ts']),
  forbid(['plugins/lib/**/*.ts'], [{ group: ['../*', '!../context.ts', '!../network.ts', '../../*', ...outside], message: 'lib/ holds pure functions; it imports nothing of ours but lib/ and the types of the ports.' }]),
  forbid(['evaluation/graph/**/*.ts', 'evaluation/rules/**/*.ts'], [{ group: ['**/db/**', '**/plugins/**', '**/routes/**', 'fastify', 'node:fs', 'node:http'], message: 'The engine is pure.' }])
]
