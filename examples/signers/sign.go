// go run sign.go POST '/api/public/v1/evaluate' body.json
// FB_API_KEY signs with the published profile; with FB_SIGNING_SECRET set, that secret signs with the hardened profile.
// FB_TIME and FB_NONCE replace the clock and the random nonce, for the vectors only.
package main

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log"
	"os"
	"strconv"
	"strings"
	"time"
)

func mac(key string, message []byte) string {
	hash := hmac.New(sha256.New, []byte(key))
	hash.Write(message)
	return hex.EncodeToString(hash.Sum(nil))
}

func signPublished(key, t, method, target string, body []byte) string {
	path := strings.SplitN(target, "?", 2)[0]
	message := append([]byte(t+"."+strings.ToUpper(method)+"."+path+"."), body...)
	return "t=" + t + ",v1=" + mac(key, message)
}

func signHardened(secret, t, nonce, method, target string, body []byte) string {
	sum := sha256.Sum256(body)
	message := strings.Join([]string{"v2", t, nonce, strings.ToUpper(method), target, hex.EncodeToString(sum[:])}, ".")
	return "t=" + t + ",n=" + nonce + ",v2=" + mac(secret, []byte(message))
}

func main() {
	if len(os.Args) < 3 {
		log.Fatal("usage: sign METHOD TARGET [BODY_FILE]")
	}
	var body []byte
	if len(os.Args) > 3 {
		var err error
		if body, err = os.ReadFile(os.Args[3]); err != nil {
			log.Fatal(err)
		}
	}
	t := os.Getenv("FB_TIME")
	if t == "" {
		t = strconv.FormatInt(time.Now().Unix(), 10)
	}
	secret, nonce := os.Getenv("FB_SIGNING_SECRET"), os.Getenv("FB_NONCE")
	if secret == "" {
		fmt.Println(signPublished(os.Getenv("FB_API_KEY"), t, os.Args[1], os.Args[2], body))
		return
	}
	if nonce == "" {
		random := make([]byte, 12)
		if _, err := rand.Read(random); err != nil {
			log.Fatal(err)
		}
		nonce = hex.EncodeToString(random)
	}
	fmt.Println(signHardened(secret, t, nonce, os.Args[1], os.Args[2], body))
}
