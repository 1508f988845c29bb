#!/usr/bin/env bash
# bash sign.sh POST '/api/public/v1/evaluate' body.json
# FB_API_KEY signs with the published profile; with FB_SIGNING_SECRET set, that secret signs with the hardened profile.
# FB_TIME and FB_NONCE replace the clock and the random nonce, for the vectors only.
#
#   curl "$ORIGIN$TARGET" --data-binary @body.json -H 'Content-Type: application/json' \
#     -H "Authorization: Bearer $FB_API_KEY" -H "X-FB-Signature: $(bash sign.sh POST "$TARGET" body.json)"
#
# --data-binary, not --data, which drops line breaks; printf '%s', not echo, which adds one. For a moment other users of the machine can
# see openssl's arguments, and with them the key: on a shared one use another signer.
set -euo pipefail

method=$(printf '%s' "$1" | tr '[:lower:]' '[:upper:]')
target=$2
body=${3:-/dev/null}
time=${FB_TIME:-$(date +%s)}

if [ -n "${FB_SIGNING_SECRET:-}" ]; then
  nonce=${FB_NONCE:-$(openssl rand -hex 12)}
  hash=$(openssl dgst -sha256 -r < "$body" | cut -d' ' -f1)
  mac=$(printf '%s' "v2.$time.$nonce.$method.$target.$hash" | openssl dgst -sha256 -hmac "$FB_SIGNING_SECRET" -r | cut -d' ' -f1)
  printf 't=%s,n=%s,v2=%s\n' "$time" "$nonce" "$mac"
else
  mac=$({ printf '%s' "$time.$method.${target%%\?*}."; cat "$body"; } | openssl dgst -sha256 -hmac "$FB_API_KEY" -r | cut -d' ' -f1)
  printf 't=%s,v1=%s\n' "$time" "$mac"
fi
