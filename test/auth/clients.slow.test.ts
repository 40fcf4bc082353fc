import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AuthServer, startAuthServer } from "./support/auth-server.ts";
import { makeClientKey } from "./support/keys.ts";

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

const authlibKeyProgram = `
import json, sys, time
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
url, issuer, pem = sys.argv[1:]
answer = []
for audience in [issuer, url]:
    claims = {"exp": int(time.time()) + 120}
    session = OAuth2Session("app", pem, token_endpoint_auth_method="private_key_jwt")
    session.register_client_auth_method(
        PrivateKeyJWT(audience, claims=claims, headers={"kid": "python"}, alg="RS256"))
    token = session.fetch_token(url, grant_type="client_credentials")
    answer.append([token["token_type"], token["expires_in"]])
print(json.dumps(answer))
`;

test("check 22: Python authlib gets tokens with private_key_jwt, for both audiences", {
  timeout: TIMEOUT_MS,
}, async () => {
  const target = join(folder, "python-key");
  const packages = ["authlib==1.6.5", "requests==2.32.5", "cryptography"];
  await run("python3", ["-m", "pip", "install", "--quiet", "--target", target, ...packages]);
  const { jwk, privateKey } = makeClientKey("RS256", "python");
  server.definitions.putApplication({ clientId: "app", project: "demo", publicKeys: [jwk] });
  const program = join(folder, "authlib_key_client.py");
  await writeFile(program, authlibKeyProgram);
  const pem = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  const { stdout } = await run(
    "python3",
    [program, `${server.url}/oauth2/token`, server.url, pem],
    { env: { ...process.env, PYTHONPATH: target, AUTHLIB_INSECURE_TRANSPORT: "1" } },
  );
  expect(JSON.parse(stdout)).toEqual([
    ["Bearer", 900],
    ["Bearer", 900],
  ]);
});

const pom = `<project xmlns="http://maven.apache.org/POM/4.0.0">
<modelVersion>4.0.0</modelVersion><groupId>example</groupId><artifactId>example</artifactId>
<version>1</version><dependencies><dependency><groupId>com.nimbusds</groupId>
<artifactId>oauth2-oidc-sdk</artifactId><version>11.20.1</version></dependency></dependencies>
</project>
`;

const nimbusProgram = `
import com.nimbusds.jose.*;
import com.nimbusds.jose.jwk.*;
import com.nimbusds.jose.proc.*;
import com.nimbusds.jose.jwk.source.*;
import com.nimbusds.jwt.*;
import com.nimbusds.jwt.proc.*;
import com.nimbusds.oauth2.sdk.*;
import com.nimbusds.oauth2.sdk.as.*;
import com.nimbusds.oauth2.sdk.auth.*;
import com.nimbusds.oauth2.sdk.dpop.*;
import com.nimbusds.oauth2.sdk.http.*;
import com.nimbusds.oauth2.sdk.id.*;
import java.net.*;
import java.util.*;

public class Client {
  public static void main(String[] args) throws Exception {
    var issuer = new Issuer(args[0]);
    var metadata = AuthorizationServerMetadata.resolve(issuer);
    var token = metadata.getTokenEndpointURI();
    var id = new ClientID("app");
    var secret = new com.nimbusds.oauth2.sdk.auth.Secret(args[1]);
    var key = ECKey.parse(args[2]);
    var ways = List.of(new ClientSecretBasic(id, secret), new ClientSecretPost(id, secret),
        new PrivateKeyJWT(id, token, JWSAlgorithm.ES256, key.toECPrivateKey(), key.getKeyID(), null));
    for (var way : ways) {
      var request = new TokenRequest(token, way, new ClientCredentialsGrant(),
          new Scope("api:use-streams-read"));
      var answer = TokenResponse.parse(request.toHTTPRequest().send());
      var found = answer.toSuccessResponse().getTokens().getAccessToken();
      check(found.getValue(), metadata, issuer);
      var asked = TokenIntrospectionResponse.parse(
          new TokenIntrospectionRequest(metadata.getIntrospectionEndpointURI(),
              new ClientSecretBasic(id, secret), found).toHTTPRequest().send());
      System.out.println(way.getMethod() + " " + found.getType() + " " + found.getLifetime()
          + " " + found.getScope() + " " + asked.toSuccessResponse().isActive());
    }
    var wrong = TokenResponse.parse(new TokenRequest(token,
        new ClientSecretBasic(id, new com.nimbusds.oauth2.sdk.auth.Secret("wrong")),
        new ClientCredentialsGrant(), null).toHTTPRequest().send());
    System.out.println(wrong.toErrorResponse().getErrorObject().getCode());
    var bound = new TokenRequest(token, new ClientSecretBasic(id, secret),
        new ClientCredentialsGrant(), null).toHTTPRequest();
    var proofs = new DefaultDPoPProofFactory(key, JWSAlgorithm.ES256);
    bound.setDPoP(proofs.createDPoPJWT("POST", token));
    var refused = bound.send();
    System.out.println(TokenErrorResponse.parse(refused).getErrorObject().getCode());
    bound.setDPoP(proofs.createDPoPJWT("POST", token, refused.getDPoPNonce()));
    var tokens = TokenResponse.parse(bound.send()).toSuccessResponse().getTokens();
    System.out.println(tokens.getAccessToken().getType() + " " + (tokens.getDPoPAccessToken() != null));
  }

  static void check(String text, AuthorizationServerMetadata metadata, Issuer issuer)
      throws Exception {
    var processor = new DefaultJWTProcessor<SecurityContext>();
    processor.setJWSTypeVerifier(new DefaultJOSEObjectTypeVerifier<>(new JOSEObjectType("at+jwt")));
    processor.setJWSKeySelector(new JWSVerificationKeySelector<>(JWSAlgorithm.ES256,
        JWKSourceBuilder.create(metadata.getJWKSetURI().toURL()).build()));
    processor.setJWTClaimsSetVerifier(new DefaultJWTClaimsVerifier<>(issuer.getValue(),
        new JWTClaimsSet.Builder().issuer(issuer.getValue()).build(),
        Set.of("sub", "client_id", "iat", "exp", "jti", "scope")));
    processor.process(text, null);
  }
}
`;

test("check 17, check 21 to 23: Nimbus reads the metadata, gets tokens every way, and checks them", {
  timeout: TIMEOUT_MS,
}, async () => {
  const java = join(folder, "java");
  await mkdir(java);
  await writeFile(join(java, "pom.xml"), pom);
  await writeFile(join(java, "Client.java"), nimbusProgram);
  const copy = ["-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=jars"];
  await run("mvn", copy, { cwd: java });
  const { jwk, privateKey } = makeClientKey("ES256", "java");
  server.definitions.putApplication({ clientId: "app", project: "demo", publicKeys: [jwk] });
  const key = JSON.stringify({ ...privateKey.export({ format: "jwk" }), kid: "java" });
  const words = ["-cp", join(java, "jars", "*"), join(java, "Client.java")];
  const { stdout } = await run("java", [...words, server.url, "secret of app", key]);
  const ways = ["client_secret_basic", "client_secret_post", "private_key_jwt"];
  expect(stdout.trim().split("\n")).toEqual([
    ...ways.map((way) => `${way} Bearer 900 api:use-streams-read true`),
    "invalid_client",
    "use_dpop_nonce",
    "DPoP true",
  ]);
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
