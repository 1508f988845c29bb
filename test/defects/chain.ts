import type { Defect } from './defect.ts'

/** Layers 1 to 6 and the request signature. */
export const CHAIN: readonly Defect[] = [
  {
    name: 'http-in-production',
    file: 'plugins/transport.ts',
    line: "else if (requireHttps) return done(new ApiError('https_required'))",
    instead: "else if (requireHttps && request.method === 'POST') return done(new ApiError('https_required'))",
    breaks: 'layer 1: no request over plain HTTP',
    tests: ['test/plugins/transport.test.ts']
  },
  {
    name: 'duplicate-headers',
    file: 'plugins/transport.ts',
    line: 'if ((seen & bit) !== 0) return `The header ${name.toLowerCase()} was sent more than once.`',
    instead: "if ((seen & bit) !== 0 && name === 'host') return `The header ${name.toLowerCase()} was sent more than once.`",
    breaks: 'layer 1: a security header that was sent twice is refused',
    tests: ['test/plugins/transport.test.ts']
  },
  {
    name: 'length-beside-chunked',
    file: 'plugins/transport.ts',
    line: "if (encoding !== undefined && length !== undefined) return 'A length and a transfer coding exclude each other.'",
    instead: '',
    breaks: 'layer 1: framing that two parsers read differently is refused',
    tests: ['test/plugins/transport.test.ts']
  },
  {
    name: 'browser-preflight',
    file: 'plugins/transport.ts',
    line: "return request.method === 'OPTIONS' && asksCors ? new ApiError('browser_refused') : null",
    instead: "return request.method === 'TRACE' && asksCors ? new ApiError('browser_refused') : null",
    breaks: 'layer 1: browsers are refused',
    tests: ['test/plugins/transport.test.ts', 'test/threats/browser-origin-abuse.test.ts']
  },
  {
    name: 'empty-segments',
    file: 'plugins/lib/request-target.ts',
    line: "if (path.includes('//')) return 'The path must not hold an empty segment.'",
    instead: '',
    breaks: 'a path has one spelling',
    tests: ['test/plugins/lib/request-target.test.ts']
  },
  {
    name: 'trusts-every-proxy',
    file: 'app.ts',
    line: 'trustProxy: config.trustedProxies.length === 0 ? false : [...config.trustedProxies],',
    instead: 'trustProxy: true,',
    breaks: 'the client address is the socket\'s unless a listed proxy says otherwise',
    tests: ['test/threats/compromised-egress.test.ts']
  },
  {
    name: 'head-twins',
    file: 'app.ts',
    line: 'exposeHeadRoutes: false,',
    instead: 'exposeHeadRoutes: true,',
    breaks: 'HEAD never spends a result token',
    tests: ['test/threats/result-token-replay.test.ts', 'test/contract/refusals.test.ts']
  },
  {
    name: 'suspended-keys',
    file: 'plugins/context.ts',
    line: "if (record.state !== 'active') return record.state",
    instead: "if (record.state === 'revoked') return record.state",
    breaks: 'layer 2: a suspended or inactive key does not work',
    tests: ['test/plugins/authentication.test.ts']
  },
  {
    name: 'expired-keys',
    file: 'plugins/context.ts',
    line: "return record.expiresAtMs === null || record.expiresAtMs > nowMs ? null : 'expired'",
    instead: "return record.expiresAtMs === null || record.expiresAtMs >= nowMs ? null : 'expired'",
    breaks: 'layer 2: expiry is immediate, to the millisecond',
    tests: ['test/plugins/authentication.test.ts']
  },
  {
    name: '401-while-away',
    file: 'plugins/authentication.ts',
    line: "throw new ApiError('unavailable', { cause, reason: 'key_store', headers: { 'retry-after': RETRY_AFTER_SECONDS } })",
    instead: "throw invalidKey('key_store')",
    breaks: 'never a 401 because a store was away',
    tests: ['test/plugins/authentication.test.ts']
  },
  {
    name: 'cached-without-epoch',
    file: 'plugins/authentication.ts',
    line: "if (epoch === '') return principalOf(first, epoch)",
    instead: "if (epoch === '') return keep(digest, principalOf(first, epoch))",
    breaks: 'while epochs cannot be read every request reads the key store',
    tests: ['test/plugins/authentication.test.ts']
  },
  {
    name: 'failures-not-counted',
    file: 'plugins/authentication.ts',
    line: 'await failures?.count(request)',
    instead: '',
    breaks: 'failed authentication is limited per address',
    tests: ['test/plugins/authentication.test.ts']
  },
  {
    name: 'key-in-any-case',
    file: 'plugins/lib/api-key.ts',
    line: 'return header !== undefined && BEARER.test(header) ? header.slice(SCHEME_CHARS) : null',
    instead: 'return header !== undefined && BEARER.test(header.toLowerCase()) ? header.toLowerCase().slice(SCHEME_CHARS) : null',
    breaks: 'a key has one spelling',
    tests: ['test/plugins/authentication.test.ts']
  },
  {
    name: '301-seconds',
    file: 'plugins/lib/hmac.ts',
    line: 'export const TOLERANCE_SECONDS = 300',
    instead: 'export const TOLERANCE_SECONDS = 301',
    breaks: 'layer 3: 300 s are in, 301 are out',
    tests: ['test/plugins/signature.test.ts', 'test/vectors/vectors.test.ts']
  },
  {
    name: 'future-signatures',
    file: 'plugins/signature.ts',
    line: "if (parsed !== null && Math.abs(Math.floor(now() / 1000) - parsed.timestampSeconds) > TOLERANCE_SECONDS) return refuse('clock', request, done)",
    instead: "if (parsed !== null && Math.floor(now() / 1000) - parsed.timestampSeconds > TOLERANCE_SECONDS) return refuse('clock', request, done)",
    breaks: 'layer 3: a signature from the future is refused',
    tests: ['test/plugins/signature.test.ts']
  },
  {
    name: 'truncated-mac',
    file: 'plugins/lib/hmac.ts',
    line: 'for (const mac of macs) matches = (mac.length === expected.length && timingSafeEqual(mac, expected)) || matches',
    instead: 'for (const mac of macs) matches = mac.subarray(0, 16).equals(expected.subarray(0, 16)) || matches',
    breaks: 'layer 3: every byte of the signature counts',
    tests: ['test/plugins/signature.test.ts', 'test/vectors/vectors.test.ts']
  },
  {
    name: 'path-not-signed',
    file: 'plugins/lib/hmac.ts',
    line: 'const head = `${parts.timestamp}.${parts.method.toUpperCase()}.${parts.path}.`',
    instead: 'const head = `${parts.timestamp}.${parts.method.toUpperCase()}..`',
    breaks: 'layer 3: the signature covers the path',
    tests: ['test/vectors/vectors.test.ts']
  },
  {
    name: 'body-not-signed',
    file: 'plugins/lib/hmac.ts',
    line: "return Buffer.from(hmacSha256Hex(parts.key, head, parts.body), 'hex')",
    instead: "return Buffer.from(hmacSha256Hex(parts.key, head), 'hex')",
    breaks: 'layer 3: the signature covers the body',
    tests: ['test/vectors/vectors.test.ts']
  },
  {
    name: 'unsigned-reads',
    file: 'plugins/signature.ts',
    line: "if (header === undefined && required) throw new ApiError('signature_missing')",
    instead: "if (header === undefined && required && request.method !== 'GET') throw new ApiError('signature_missing')",
    breaks: 'layer 3: every request of a key is signed',
    tests: ['test/plugins/signature.test.ts']
  },
  {
    name: 'upper-case-signature',
    file: 'plugins/lib/hmac.ts',
    line: 'const HEX_MAC = /^[0-9a-f]{64}$/',
    instead: 'const HEX_MAC = /^[0-9a-f]{64}$/i',
    breaks: 'layer 3: hex in upper case is refused',
    tests: ['test/vectors/vectors.test.ts', 'test/plugins/signature.test.ts']
  },
  {
    name: 'replayed-deletes',
    file: 'plugins/signature.ts',
    line: 'if (STATE_CHANGING.has(request.method)) request.replayId = expected.toString(\'hex\').slice(0, REPLAY_ID_CHARS)',
    instead: 'if (request.method === \'POST\') request.replayId = expected.toString(\'hex\').slice(0, REPLAY_ID_CHARS)',
    breaks: 'every signed request that changes state is accepted once',
    tests: ['test/plugins/signature.test.ts', 'test/threats/token-replay.test.ts']
  },
  {
    name: 'unreadable-allowlist',
    file: 'plugins/ip-allowlist.ts',
    line: 'matcher = () => false',
    instead: 'matcher = () => true',
    breaks: 'layer 4: a list that cannot be read denies',
    tests: ['test/plugins/ip-allowlist.test.ts']
  },
  {
    name: 'mapped-addresses',
    file: 'plugins/lib/cidr.ts',
    line: 'return MAPPED.exec(address)?.[1] ?? address',
    instead: 'return address',
    breaks: 'layer 4: an IPv4-mapped address is its IPv4 address',
    tests: ['test/plugins/ip-allowlist.test.ts', 'test/evaluation/egress.test.ts']
  },
  {
    name: 'allowlist-not-judged-again',
    file: 'plugins/ip-allowlist.ts',
    line: 'app.principalJudges.push(judgeAddress)',
    instead: '',
    breaks: 'a narrowed allowlist holds for the request that reloads the record',
    tests: ['test/plugins/ip-allowlist.test.ts', 'test/plugins/rate-limits.test.ts', 'test/threats/compromised-egress.test.ts', 'test/contract/instances.test.ts']
  },
  {
    name: 'foreign-organization-in-body',
    file: 'plugins/org-scope.ts',
    line: "done(named !== undefined && named !== getPrincipal(request).orgId ? new ApiError('organization_mismatch', { reason: 'body_organization' }) : undefined)",
    instead: "done(named === '' ? new ApiError('organization_mismatch') : undefined)",
    breaks: 'layer 5: a body that names another organization is refused',
    tests: ['test/plugins/org-scope.test.ts']
  },
  {
    name: 'foreign-record',
    file: 'plugins/org-scope.ts',
    line: "if (isRecordId(id, prefix) && !belongsTo(id, prefix, principal.orgId, recordIdSecret)) throw new ApiError('organization_mismatch')",
    instead: "if (isRecordId(id, prefix) && prefix === 'req' && !belongsTo(id, prefix, principal.orgId, recordIdSecret)) throw new ApiError('organization_mismatch')",
    breaks: 'layer 5: the record of another organization is refused by its id alone',
    tests: ['test/plugins/org-scope.test.ts', 'test/threats/key-sharing-across-organizations.test.ts']
  },
  {
    name: 'foreign-scenarios-in-a-batch',
    file: 'routes/v1/evaluate.ts',
    line: "if (foreign) throw new ApiError('organization_mismatch')",
    instead: '',
    breaks: 'layer 5: scenarios of another organization cannot be submitted',
    tests: ['test/threats/key-sharing-across-organizations.test.ts']
  },
  {
    name: 'evaluate-implies-read',
    file: 'plugins/permission-scopes.ts',
    line: "return held.includes(needed) || held.includes('admin')",
    instead: "return held.includes(needed) || held.includes('admin') || (needed === 'governance:read' && held.includes('governance:evaluate'))",
    breaks: 'layer 6: only admin implies another permission',
    tests: ['test/plugins/permission-scopes.test.ts']
  },
  {
    name: 'undeclared-route',
    file: 'plugins/permission-scopes.ts',
    line: "if (!ACCESSES.has(access)) throw new Error(`${name} declares no access; set config.access to 'key', 'open' or 'result-token'`)",
    instead: "if (access !== undefined && !ACCESSES.has(access)) throw new Error(`${name} declares no access; set config.access to 'key', 'open' or 'result-token'`)",
    breaks: 'layer 6: a route that declares nothing does not boot',
    tests: ['test/plugins/permission-scopes.test.ts']
  },
  {
    name: 'slot-of-everybody',
    file: 'plugins/context.ts',
    line: 'setter (value: unknown) { Object.defineProperty(this, slot, { value, writable: true, enumerable: true, configurable: true }) }',
    instead: 'setter (value: unknown) { Object.defineProperty(Object.getPrototypeOf(this), slot, { value, writable: true, enumerable: true, configurable: true }) }',
    breaks: 'what is noted of one request is of no other',
    tests: ['test/plugins/watermark.test.ts', 'test/plugins/rate-limits.test.ts']
  },
  {
    name: 'body-without-its-head',
    file: 'plugins/support/edge-response.ts',
    line: 'if (!isOneText || socket === null || !socket.writable || socket.writableCorked > 0 || !this.headersSent || this.writableEnded) return super.end(chunk, encoding as BufferEncoding, finished as Finished)',
    instead: 'if (!isOneText || socket === null || !socket.writable || socket.writableCorked > 0 || this.writableEnded) return super.end(chunk, encoding as BufferEncoding, finished as Finished)',
    breaks: 'an answer is the same to the byte whoever writes it',
    tests: ['test/plugins/support/edge-response.test.ts']
  },
  {
    name: 'sent-to-nobody',
    file: 'plugins/support/edge-response.ts',
    line: 'if (!isOneText || socket === null || !socket.writable || socket.writableCorked > 0 || !this.headersSent || this.writableEnded) return super.end(chunk, encoding as BufferEncoding, finished as Finished)',
    instead: 'if (!isOneText || socket === null || socket.writableCorked > 0 || !this.headersSent || this.writableEnded) return super.end(chunk, encoding as BufferEncoding, finished as Finished)',
    breaks: 'no bytes of a client end the process',
    tests: ['test/plugins/support/edge-response.test.ts']
  }
]
