# python3 sign.py POST '/api/public/v1/evaluate' body.json
# FB_API_KEY signs with the published profile; with FB_SIGNING_SECRET set, that secret signs with the hardened profile.
# FB_TIME and FB_NONCE replace the clock and the random nonce, for the vectors only.
import hashlib
import hmac
import os
import secrets
import sys
import time


def sign_published(key, t, method, target, body):
    path = target.split("?", 1)[0]
    message = f"{t}.{method.upper()}.{path}.".encode() + body
    return f"t={t},v1={hmac.new(key.encode(), message, hashlib.sha256).hexdigest()}"


def sign_hardened(secret, t, nonce, method, target, body):
    message = f"v2.{t}.{nonce}.{method.upper()}.{target}.{hashlib.sha256(body).hexdigest()}".encode()
    return f"t={t},n={nonce},v2={hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()}"


if __name__ == "__main__":
    method, target = sys.argv[1:3]
    body = open(sys.argv[3], "rb").read() if len(sys.argv) > 3 else b""
    t = os.environ.get("FB_TIME") or str(int(time.time()))
    secret = os.environ.get("FB_SIGNING_SECRET")
    if secret:
        print(sign_hardened(secret, t, os.environ.get("FB_NONCE") or secrets.token_hex(12), method, target, body))
    else:
        print(sign_published(os.environ["FB_API_KEY"], t, method, target, body))
