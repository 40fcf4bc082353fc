import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AuthServer, startAuthServer } from "./support/auth-server.ts";

const run = promisify(execFile);
const TIMEOUT_MS = 240_000;
let server: AuthServer;
let folder: string;

beforeAll(async () => {
  server = await startAuthServer();
  server.definitions.putApplication({ clientId: "app", project: "demo" });
  folder = await mkdtemp(join(tmpdir(), "tributary-clients-"));
});
afterAll(async () => {
  await server.close();
  await run("chmod", ["-R", "u+w", folder]);
  await rm(folder, { recursive: true, force: true });
});

const authlibProgram = `
import json, os, sys
from authlib.integrations.requests_client import OAuth2Session
url, secret = sys.argv[1:]
answer = {}
for method in ["client_secret_basic", "client_secret_post"]:
    session = OAuth2Session("app", secret, token_endpoint_auth_method=method,
                            scope="api:use-streams-write")
    token = session.fetch_token(url + "/oauth2/token", grant_type="client_credentials")
    found = session.introspect_token(url + "/oauth2/introspect", token=token["access_token"]).json()
    gone = session.revoke_token(url + "/oauth2/revoke", token=token["access_token"])
    after = session.introspect_token(url + "/oauth2/introspect", token=token["access_token"]).json()
    answer[method] = [token["token_type"], token["expires_in"], token["scope"],
                      found["active"], found["client_id"], gone.status_code, after]
try:
    OAuth2Session("app", "wrong").fetch_token(url + "/oauth2/token", grant_type="client_credentials")
except Exception as error:
    answer["wrong"] = error.error
print(json.dumps(answer))
`;

test("F18: Python authlib gets, introspects and revokes tokens", {
  timeout: TIMEOUT_MS,
}, async () => {
  const target = join(folder, "python");
  const packages = ["authlib==1.6.5", "requests==2.32.5"];
  await run("python3", ["-m", "pip", "install", "--quiet", "--target", target, ...packages]);
  const program = join(folder, "authlib_client.py");
  await writeFile(program, authlibProgram);
  const { stdout } = await run("python3", [program, server.url, "secret of app"], {
    env: { ...process.env, PYTHONPATH: target, AUTHLIB_INSECURE_TRANSPORT: "1" },
  });
  const expected = [
    ...["Bearer", 900, "api:use-streams-write", true, "app", 200],
    { active: false },
  ];
  expect(JSON.parse(stdout)).toEqual({
    client_secret_basic: expected,
    client_secret_post: expected,
    wrong: "invalid_client",
  });
});

const goProgram = `package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

func main() {
	ctx := context.Background()
	for _, style := range []oauth2.AuthStyle{
		oauth2.AuthStyleAutoDetect, oauth2.AuthStyleInHeader, oauth2.AuthStyleInParams,
	} {
		config := clientcredentials.Config{
			ClientID: "app", ClientSecret: os.Args[2], TokenURL: os.Args[1] + "/oauth2/token",
			Scopes: []string{"api:use-streams-read"}, AuthStyle: style,
		}
		token, err := config.Token(ctx)
		if err != nil {
			panic(err)
		}
		fmt.Println(token.Type(), time.Until(token.Expiry) > 14*time.Minute, token.Extra("scope"))
		config.ClientSecret = "wrong"
		_, err = config.Token(ctx)
		var refusal *oauth2.RetrieveError
		fmt.Println(errors.As(err, &refusal), refusal.Response.StatusCode, refusal.ErrorCode)
	}
}
`;

test("F18: Go x/oauth2 gets tokens in each of its styles", { timeout: TIMEOUT_MS }, async () => {
  await writeFile(join(folder, "main.go"), goProgram);
  await writeFile(join(folder, "go.mod"), "module example\n\ngo 1.24\n");
  const go = (...args: string[]) =>
    run("go", args, { cwd: folder, env: { ...process.env, GOFLAGS: "-mod=mod" } });
  await go("get", "golang.org/x/oauth2@v0.32.0");
  const { stdout } = await go("run", ".", server.url, "secret of app");
  const style = "Bearer true api:use-streams-read\ntrue 401 invalid_client\n";
  expect(stdout).toBe(style.repeat(3));
});

test("F18: curl gets a token by header and by body", async () => {
  const url = `${server.url}/oauth2/token`;
  const grant = ["-d", "grant_type=client_credentials"];
  const header = await run("curl", ["-sS", "-u", "app:secret of app", ...grant, url]);
  const body = ["-d", "client_id=app", "--data-urlencode", "client_secret=secret of app"];
  const fields = await run("curl", ["-sS", ...grant, ...body, url]);
  for (const { stdout } of [header, fields]) {
    expect(JSON.parse(stdout)).toMatchObject({ token_type: "Bearer", expires_in: 900 });
  }
});
