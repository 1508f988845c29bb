-- The gateway as nginx runs it: key by its SHA-256, signature with its 300 s, the chain's own window script in one round trip, the answer.
-- Loaded once by init_by_lua; `answer` is called for each request. Leaves out: organization, permission, address, revocation by database,
-- parsing and validation of the body, watermark, audit. It answers itself: there is no service behind it.
local ffi = require('ffi')
ffi.cdef [[
  const void *EVP_sha256(void);
  unsigned char *SHA256(const unsigned char *data, size_t len, unsigned char *out);
  unsigned char *HMAC(const void *md, const void *key, int key_len, const unsigned char *data, size_t data_len, unsigned char *out, unsigned int *out_len);
  int CRYPTO_memcmp(const void *one, const void *other, size_t len);
]]
local crypto = ffi.load('libcrypto.so.3')
local sha256 = crypto.EVP_sha256()
local bytes, count = ffi.new('unsigned char[32]'), ffi.new('unsigned int[1]')
local TOLERANCE_SECONDS, REPLAY_TTL_SECONDS, TIMEOUT_MS = 300, 600, 1000
local POOL = { pool_size = 256 }

local host, port, sha, prefix = os.getenv('NGINX_REDIS_HOST'), tonumber(os.getenv('NGINX_REDIS_PORT')), os.getenv('NGINX_SCRIPT_SHA'), os.getenv('REDIS_PREFIX')
local hexOf = {}
for byte = 0, 255 do hexOf[byte] = string.format('%02x', byte) end

local function digestOf (text)
  crypto.SHA256(text, #text, bytes)
  return ffi.string(bytes, 32)
end

local keys = {}
local function addKeys (file, limit)
  for line in io.lines(os.getenv(file)) do
    local digest = digestOf(line)
    keys[digest] = { key = line, tag = prefix .. ':{' .. ngx.encode_base64(digest) .. '}', limit = limit, epoch = '' }
  end
end
addKeys('BENCH_KEYS', 1000)
addKeys('BENCH_SMALL_KEY', tonumber(os.getenv('BENCH_SMALL_LIMIT')))

local function isSigned (time, hex, key, method, path, body)
  if not time or #hex ~= 64 or math.abs(ngx.time() - tonumber(time)) > TOLERANCE_SECONDS then return false end
  local message = time .. '.' .. method .. '.' .. path .. '.' .. body
  crypto.HMAC(sha256, key, #key, message, #message, bytes, count)
  local expected = {}
  for at = 0, 31 do expected[at + 1] = hexOf[bytes[at]] end
  return crypto.CRYPTO_memcmp(table.concat(expected), hex, 64) == 0
end

-- One value of RESP; an error is thrown.
local function read (socket)
  local line = assert(socket:receive('*l'))
  local kind, rest = line:sub(1, 1), line:sub(2)
  if kind == ':' then return tonumber(rest) end
  if kind == '+' then return rest end
  if kind == '-' then error(rest) end
  local size = tonumber(rest)
  if kind == '$' then return assert(socket:receive(size + 2)):sub(1, size) end
  local values = {}
  for at = 1, size do values[at] = read(socket) end
  return values
end

local function admit (record, replayId)
  local socket = ngx.socket.tcp()
  socket:settimeout(TIMEOUT_MS)
  assert(socket:connect(host, port, POOL))
  local limit = tostring(record.limit)
  local arguments = replayId == ''
    and { 'EVALSHA', sha, '2', record.tag .. ':e', record.tag .. ':w', record.epoch, 'nginx', limit, limit }
    or { 'EVALSHA', sha, '3', record.tag .. ':e', record.tag .. ':w', record.tag .. ':r:' .. replayId, record.epoch, 'nginx', limit, limit, tostring(REPLAY_TTL_SECONDS) }
  local parts = { '*' .. #arguments .. '\r\n' }
  for at = 1, #arguments do parts[at + 1] = '$' .. #arguments[at] .. '\r\n' .. arguments[at] .. '\r\n' end
  assert(socket:send(table.concat(parts)))
  local verdict = read(socket)
  socket:setkeepalive(60000, 256)
  return verdict
end

local function refuse (status)
  ngx.status = status
  ngx.header['Content-Type'] = 'application/json; charset=utf-8'
  ngx.print('{"ok":false}')
end

local head, tail = os.getenv('NGINX_ANSWER_HEAD'), os.getenv('NGINX_ANSWER_TAIL')

local function answer ()
  local record = keys[digestOf((ngx.var.http_authorization or ''):match('^Bearer (%S+)$') or '')]
  if not record then return refuse(401) end
  local method, body = ngx.req.get_method(), ''
  if method == 'POST' then
    ngx.req.read_body()
    body = ngx.req.get_body_data() or ''
  end
  local time, hex = (ngx.var.http_x_fb_signature or ''):match('^t=(%d+),v1=(%x+)$')
  if not isSigned(time, hex, record.key, method, ngx.var.uri, body) then return refuse(403) end
  local replayId = method == 'POST' and hex or ''
  local verdict = admit(record, replayId)
  if verdict[1] == 'stale' then
    record.epoch = verdict[2]
    verdict = admit(record, replayId)
  end
  if verdict[1] == 'replayed' then return refuse(403) end
  local isRefused = verdict[1] == 'refused'
  local remaining, resetMs = unpack(verdict, isRefused and 2 or 1)
  ngx.header['X-RateLimit-Limit'], ngx.header['X-RateLimit-Remaining'], ngx.header['X-RateLimit-Reset'] = record.limit, remaining, math.ceil(resetMs / 1000)
  if isRefused then return refuse(429) end
  local text = head .. (body:match('"number":"(%d+)"') or '0') .. tail
  ngx.header['Content-Type'] = 'application/json; charset=utf-8'
  ngx.header['Content-Length'] = #text
  ngx.print(text)
end

return { answer = answer }
