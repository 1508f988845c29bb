<?php
// php sign.php POST '/api/public/v1/evaluate' body.json
// FB_API_KEY signs with the published profile; with FB_SIGNING_SECRET set, that secret signs with the hardened profile.
// FB_TIME and FB_NONCE replace the clock and the random nonce, for the vectors only.

function sign_published(string $key, string $t, string $method, string $target, string $body): string
{
    $path = explode('?', $target, 2)[0];
    $mac = hash_hmac('sha256', $t . '.' . strtoupper($method) . '.' . $path . '.' . $body, $key);
    return "t=$t,v1=$mac";
}

function sign_hardened(string $secret, string $t, string $nonce, string $method, string $target, string $body): string
{
    $message = implode('.', ['v2', $t, $nonce, strtoupper($method), $target, hash('sha256', $body)]);
    return "t=$t,n=$nonce,v2=" . hash_hmac('sha256', $message, $secret);
}

[, $method, $target] = $argv;
$body = isset($argv[3]) ? file_get_contents($argv[3]) : '';
$t = getenv('FB_TIME') ?: (string) time();
$secret = getenv('FB_SIGNING_SECRET');
echo $secret
    ? sign_hardened($secret, $t, getenv('FB_NONCE') ?: bin2hex(random_bytes(12)), $method, $target, $body)
    : sign_published(getenv('FB_API_KEY'), $t, $method, $target, $body), "\n";
