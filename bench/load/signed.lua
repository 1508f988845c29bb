-- wrk script: every request is signed when it is sent, so that no signature grows old and none is sent twice. HMAC by libcrypto.
-- Environment: BENCH_KEYS (file, one API key a line), BENCH_METHOD (GET or POST), BENCH_PATH, BENCH_BODY_BYTES.
-- Prints one JSON object when it is done.
local ffi = require('ffi')
ffi.cdef [[
  const void *EVP_sha256(void);
  unsigned char *HMAC(const void *md, const void *key, int key_len, const unsigned char *data, size_t data_len, unsigned char *out, unsigned int *out_len);
]]
local crypto = ffi.load('libcrypto.so.3')
local sha256 = crypto.EVP_sha256()
local mac = ffi.new('unsigned char[32]')
local macBytes = ffi.new('unsigned int[1]')
local hexOf = {}
for byte = 0, 255 do hexOf[byte] = string.format('%02x', byte) end

local method = os.getenv('BENCH_METHOD') or 'GET'
local path = os.getenv('BENCH_PATH') or '/api/public/v1/bench'
local bodyBytes = tonumber(os.getenv('BENCH_BODY_BYTES') or '1024')
local keys = {}
for line in io.lines(os.getenv('BENCH_KEYS')) do keys[#keys + 1] = line end

local sent = 0
local head, filler

function init ()
  math.randomseed(os.time() + tonumber(tostring({}):match('0x(%x+)'), 16) % 1000000)
  -- A run of its own keeps the bodies of two runs in one second apart.
  local run = string.format('%08x', math.random(0, 2 ^ 31 - 1))
  head = '{"run":"' .. run .. '","number":"'
  filler = '","text":"' .. string.rep('x', math.max(0, bodyBytes - #head - 10 - 12)) .. '"}'
end

function request ()
  sent = sent + 1
  local key = keys[sent % #keys + 1]
  local body = ''
  if method == 'POST' then body = head .. string.format('%010d', sent) .. filler end
  local time = tostring(os.time())
  local message = time .. '.' .. method .. '.' .. path .. '.' .. body
  crypto.HMAC(sha256, key, #key, message, #message, mac, macBytes)
  local hex = {}
  for at = 0, 31 do hex[at + 1] = hexOf[mac[at]] end
  local lines = method .. ' ' .. path .. ' HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ' .. key ..
    '\r\nX-FB-Signature: t=' .. time .. ',v1=' .. table.concat(hex) .. '\r\n'
  if method == 'POST' then lines = lines .. 'Content-Type: application/json\r\nContent-Length: ' .. #body .. '\r\n' end
  return lines .. '\r\n' .. body
end

function done (summary, latency)
  local errors = summary.errors
  io.write(string.format('{"requests":%d,"micros":%d,"failed":%d,"p50":%d,"p99":%d}\n', summary.requests, summary.duration,
    errors.status + errors.connect + errors.read + errors.write + errors.timeout, latency:percentile(50), latency:percentile(99)))
end
