/** Layers 4 to 6: addresses that are said instead of had, records and organizations of others, permissions that were not given. */
import type { AttackCase } from '../definition.ts'
import { allOf, notServed, refusedWith, served, verdictOf } from '../expect.ts'
import type { Asked, Lab } from '../lab.ts'

const EGRESS = ['compromised-egress'] as const
const SHARING = ['key-sharing-across-organizations'] as const

/** Ways to say where one comes from. `A` stands for an address that the key may call from. */
const SAID: ReadonlyArray<[string, readonly string[]]> = [
  ['nothing', []],
  ['X-Forwarded-For', ['X-Forwarded-For: A']],
  ['X-Forwarded-For with two hops', ['X-Forwarded-For: A, 127.0.0.1']],
  ['X-Forwarded-For with its own address last', ['X-Forwarded-For: 198.51.100.9, A']],
  ['two X-Forwarded-For headers', ['X-Forwarded-For: 198.51.100.9', 'X-Forwarded-For: A']],
  ['X-Real-IP', ['X-Real-IP: A']],
  ['Forwarded (RFC 7239)', ['Forwarded: for=A;proto=https']],
  ['True-Client-IP and CF-Connecting-IP', ['True-Client-IP: A', 'CF-Connecting-IP: A']],
  ['X-Client-IP and X-Cluster-Client-IP', ['X-Client-IP: A', 'X-Cluster-Client-IP: A']],
  ['an IPv4-mapped address', ['X-Forwarded-For: ::ffff:A']]
]

export const addressCases: AttackCase[] = [
  ...SAID.map(([title, lines], at): AttackCase => ({
    id: `IPA-${String(at + 1).padStart(3, '0')}`,
    parts: ['ip-allowlist'],
    threats: EGRESS,
    title: `a stolen key from a foreign address that says ${title}`,
    expected: '403 ip_not_allowed, detail names the address that was seen',
    needs: ['a key that may not call from here'],
    attack: async (lab) => {
      const { elsewhereAddress } = lab.settings
      const answer = await lab.ask({ key: lab.named('elsewhere'), headers: lines.map((line) => line.replace('A', elsewhereAddress)) })
      const detail = answer?.body?.['detail']
      return allOf(refusedWith(answer, 'ip_not_allowed'), { ok: typeof detail === 'string' && detail !== elsewhereAddress, seen: `${verdictOf(answer)}, detail ${typeof detail === 'string' && /^[\d.:a-f]+$/.test(detail) ? detail : 'without an address'}` })
    }
  })),
  {
    id: 'IPA-020',
    parts: ['ip-allowlist', 'signature'],
    threats: EGRESS,
    title: 'a stolen key from a foreign address, unsigned',
    expected: '403 signature_missing: the address is judged after the signature',
    needs: ['a key that may not call from here'],
    attack: async (lab) => refusedWith(await lab.ask({ key: lab.named('elsewhere'), sign: false }), 'signature_missing')
  },
  {
    id: 'IPA-021',
    parts: ['ip-allowlist'],
    threats: EGRESS,
    title: 'an X-Forwarded-For that is no address, from a key without a list',
    expected: '200: it is not read',
    attack: async (lab) => served(await lab.admit({ headers: ['X-Forwarded-For: \'; drop table keys; --'] }))
  }
]

const NAMED: ReadonlyArray<[string, string, unknown]> = [
  ['ORG-001', 'another organization', 'org_00000000000000000000000000'],
  ['ORG-002', 'no organization', ''],
  ['ORG-003', 'null', null],
  ['ORG-004', 'a list', ['org_00000000000000000000000000']],
  ['ORG-005', 'an object', { $ne: null }],
  ['ORG-006', 'a number', 0],
  ['ORG-007', 'a wildcard', '*']
]

export const organizationCases: AttackCase[] = [
  ...NAMED.map(([id, title, value]): AttackCase => ({
    id,
    parts: ['org-scope'],
    threats: SHARING,
    title: `org_id in the body: ${title}`,
    expected: '403 organization_mismatch, or 400 where it is no organization',
    needs: ['a signed POST'],
    attack: async (lab) => {
      const answer = await lab.admit({ method: 'POST', path: lab.postPath, body: lab.postBody({ org_id: value }) })
      return id === 'ORG-001' ? refusedWith(answer, 'organization_mismatch') : refusedWith(answer, 'organization_mismatch', 'malformed_request')
    }
  })),
  foreign('ORG-010', 'a record of another organization', () => ({})),
  foreign('ORG-011', 'a record of another organization, with its organization in a header', () => ({ headers: ['X-Org-Id: org_00000000000000000000000000', 'X-Organization: other'] })),
  foreign('ORG-012', 'a record of another organization, with a query that names it', (path) => ({ path: `${path}?org_id=org_00000000000000000000000000`, sign: { path: `${path}?org_id=org_00000000000000000000000000` } })),
  foreign('ORG-013', 'a record of another organization, deleted', () => ({ method: 'DELETE' })),
  foreign('ORG-014', 'a record of another organization, one character changed', (path) => ({ path: path.replace(/.$/, (last) => last === '0' ? '1' : '0') })),
  {
    id: 'ORG-015',
    parts: ['org-scope', 'watermark'],
    threats: SHARING,
    title: 'a record of another organization, looked at',
    expected: 'a refusal that does not tell whether it exists',
    needs: ['a record of another organization'],
    attack: async (lab) => {
      const path = lab.foreignPath ?? ''
      const [real, guessed] = [await lab.ask({ path }), await lab.ask({ path: path.replace(/.$/, (last) => last === '0' ? '1' : '0') })]
      const strip = (answer: typeof real): string => JSON.stringify([answer?.status, { ...answer?.body, meta: null }])
      return { ok: real !== null && strip(real) === strip(guessed), seen: `${verdictOf(real)} for the real one, ${verdictOf(guessed)} for a guess` }
    }
  },
  {
    id: 'ORG-016',
    parts: ['org-scope'],
    threats: SHARING,
    title: 'a record id with a dot',
    expected: '400: it would make the signed text ambiguous',
    needs: ['a record of another organization'],
    attack: async (lab) => refusedWith(await lab.ask({ path: `${lab.foreignPath ?? ''}.x` }), 'malformed_request')
  }
]

function foreign (id: string, title: string, asked: (path: string) => Asked): AttackCase {
  return {
    id,
    parts: ['org-scope'],
    threats: SHARING,
    title,
    expected: '403 organization_mismatch (404 or 405 where the path or method is none), no data',
    needs: ['a record of another organization'],
    attack: async (lab) => {
      const path = lab.foreignPath ?? ''
      const answer = await lab.ask({ path, ...asked(path) })
      return allOf(notServed(answer), refusedWith(answer, 'organization_mismatch', 'not_found', 'method_not_allowed'))
    }
  }
}

/** A key that may only read, at the POST. Each says in another way that it may, or hides what it asks for. */
const OVERRIDES: ReadonlyArray<[string, string, (lab: Lab) => Asked]> = [
  ['PER-001', 'nothing more', () => ({})],
  ['PER-002', 'a body that is no JSON', () => ({ body: '{' })],
  ['PER-003', 'permissions in headers', () => ({ headers: ['X-Permissions: admin', 'X-Scope: governance:evaluate', 'X-Role: owner'] })],
  ['PER-004', 'permissions in the body', (lab) => ({ body: lab.postBody({ permissions: ['admin'], scope: 'admin' }) })],
  ['PER-005', 'X-HTTP-Method-Override: GET', () => ({ headers: ['X-HTTP-Method-Override: GET', 'X-Method-Override: GET'] })],
  ['PER-006', 'another media type', () => ({ contentType: 'text/plain' })]
]

export const permissionCases: AttackCase[] = [
  ...OVERRIDES.map(([id, title, asked]): AttackCase => ({
    id,
    parts: ['permission-scopes'],
    threats: ['key-theft-from-logs'],
    title: `a POST of a key that may only read, with ${title}`,
    expected: '403 insufficient_permission; WWW-Authenticate and detail name the permission',
    needs: ['a key without the permission to write'],
    attack: async (lab) => {
      const answer = await lab.ask({ method: 'POST', path: lab.postPath, key: lab.named('read'), body: lab.postBody(), ...asked(lab) })
      const challenge = answer?.headers['www-authenticate'] ?? ''
      return allOf(refusedWith(answer, 'insufficient_permission'), { ok: challenge.includes('insufficient_scope') && /scope="[\w:]+"/.test(challenge) && typeof answer?.body?.['detail'] === 'string', seen: `${verdictOf(answer)} that does not name the permission` })
    }
  })),
  {
    id: 'PER-010',
    parts: ['permission-scopes'],
    threats: ['key-theft-from-logs'],
    title: 'a GET that says X-HTTP-Method-Override: POST, of a key that may only read',
    expected: '200 as a GET',
    needs: ['a key without the permission to write'],
    attack: async (lab) => served(await lab.admit({ key: lab.named('read'), headers: ['X-HTTP-Method-Override: POST'] }))
  },
  {
    id: 'PER-011',
    parts: ['permission-scopes', 'audit-trail'],
    threats: ['key-theft-from-logs'],
    title: 'what only an admin may see, asked for by another key',
    expected: '403 insufficient_permission',
    attack: async (lab) => refusedWith(await lab.ask({ path: lab.settings.paths.adminPath ?? lab.getPath }), 'insufficient_permission')
  },
  {
    id: 'PER-012',
    parts: ['permission-scopes', 'signature'],
    threats: ['key-theft-from-logs'],
    title: 'a POST of a key that may only read, with a wrong signature',
    expected: '403 signature_invalid: the first refusal of the order',
    needs: ['a key without the permission to write'],
    attack: async (lab) => refusedWith(await lab.ask({ method: 'POST', path: lab.postPath, key: lab.named('read'), body: lab.postBody(), sign: { body: '' } }), 'signature_invalid')
  }
]
