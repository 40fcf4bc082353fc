// Pushes a record over HTTP with the token handling of golang.org/x/oauth2.
//
//	set -a; . .tributary/demo.env; set +a; cd examples/go && go run .
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"strings"
	"time"

	"golang.org/x/oauth2/clientcredentials"
)

func main() {
	base := os.Getenv("TRIBUTARY_URL")
	config := clientcredentials.Config{
		ClientID:     os.Getenv("CLIENT_ID"),
		ClientSecret: os.Getenv("CLIENT_SECRET"),
		TokenURL:     base + "/oauth2/token",
	}
	client := config.Client(context.Background())
	client.Timeout = 10 * time.Second

	body := `[{"value": {"sensor_id": "go", "temperature": 4.132, "created_at": "2026-01-01T00:00:00Z"}}]`
	url := base + "/v1/" + os.Getenv("STREAM") + "/records"
	answer, err := client.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		log.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != 200 {
		log.Fatalf("%s: %s %v", answer.Status, text, err)
	}
	fmt.Println(string(text))
}
