/** What the console's operations are for, in words; the counterpart of operations.ts. */
import type { Operation, Parameter, Tag } from './operations.ts'

const PAGED = 'Newest first, by cursor: give `next_cursor` as `cursor` until it is null.'
const REPEAT = 'Holds on every instance for every request that begins after the answer. A 503 that says so has stored it without telling them all: repeat the request.'

export const CONSOLE_OPERATIONS: Readonly<Record<string, Operation>> = {
  'POST /keys': { id: 'createKey', tag: 'Keys', summary: 'Make a key', description: 'Its value, and with the hardened profile its signing secret, stand in this answer and in no other.', answer: 'The key.' },
  'GET /keys': { id: 'listKeys', tag: 'Keys', summary: 'Keys of the organization', description: `${PAGED} \`last_used_at\` is of the last week.`, answer: 'A page.' },
  'DELETE /keys/{id}': { id: 'revokeKey', tag: 'Keys', summary: 'Revoke a key for good', description: `${REPEAT} Repeating it is safe. Served while the kill switch is thrown.`, answer: 'The key, revoked.', isServedDuringKill: true },
  'PATCH /keys/{id}': { id: 'changeKey', tag: 'Keys', summary: 'Change name, limits or allowlist', description: `${REPEAT} A list that leaves out an address from which the key was used in the last 7 days needs \`confirm\`.`, answer: 'The key as it is now.', refusals: ['key_revoked', 'allowlist_unconfirmed'] },
  'POST /keys/{id}/rotate': {
    id: 'rotateKey',
    tag: 'Keys',
    summary: 'Make the key that takes its place',
    description: 'Both work until `grace_until`, a whole second; the new one inherits everything else, expiry included. During the grace a second rotation is refused unless it is forced, which ends the grace at once.',
    answer: 'The new key, and the one that it replaces.',
    refusals: ['key_not_rotatable'],
    isBodyOptional: true
  },
  'GET /keys/{id}/events': { id: 'listKeyEvents', tag: 'Keys', summary: 'What was done to a key', description: `By whom, why, before and after. ${PAGED}`, answer: 'A page.' },
  'POST /scenarios/import': { id: 'importScenarios', tag: 'Scenarios', summary: 'Import blueprints as scenarios', description: 'All or none. Only their shape is kept; `dropped` names by place what was refused entry.', answer: 'The scenarios.', refusals: ['blueprint_invalid'], bodyMax: '10 MB' },
  'GET /audit': { id: 'listAudit', tag: 'Audit', summary: "The organization's own trail", description: PAGED, answer: 'A page.' }
}

export const CONSOLE_TAGS: readonly Tag[] = [
  { name: 'Keys', description: 'Making, changing, replacing and ending keys.' },
  { name: 'Scenarios', description: 'Bringing scenarios in.' },
  { name: 'Audit', description: 'Requests of keys and of people.' }
]

/** Path parameters, by name. */
export const CONSOLE_PARAMETERS: Readonly<Record<string, Parameter>> = {
  id: { description: 'Id of a key.', pattern: '^key_[0-9A-HJKMNP-TV-Z]{26}$', example: 'key_01KAZ5B9G2K5N8R1T4W7Z0C3E6' }
}
