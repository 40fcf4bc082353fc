import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  AUTHORIZATION,
  STORED_JSON,
  STREAM,
  startTestServer,
  type TestServer,
} from "./test-server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server[Symbol.asyncDispose]());

async function call(
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
) {
  const response = await fetch(`${server.url}${path}`, {
    method,
    headers: {
      ...AUTHORIZATION,
      ...(body !== undefined && { "content-type": "application/json" }),
      ...headers,
    },
    ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    text,
    json: text ? JSON.parse(text.split("\n")[0]!) : undefined,
  };
}

describe("the REST face", () => {
  it("reads names from the path", async () => {
    const { status, json } = await call("GET", "/v1/projects/a");
    expect([status, json.project.name]).toEqual([200, "projects/a"]);
  });

  it("reads query parameters in both spellings", async () => {
    expect((await call("GET", "/v1/projects?page_size=7&pageToken=t")).json).toEqual({
      projects: [{ name: "projects/size-7" }],
      nextPageToken: "t",
    });
  });

  it("names every unknown or faulty query parameter", async () => {
    const { status, json } = await call(
      "GET",
      "/v1/projects?pageSiz=7&nope=1&page_token=a&page_token=b",
    );
    expect(status).toBe(400);
    const violations = json.details.find(
      (d: { type: string }) => d.type === "google.rpc.BadRequest",
    ).debug.fieldViolations;
    expect(violations.map((v: { field: string }) => v.field)).toEqual([
      "pageSiz",
      "nope",
      "page_token",
    ]);
    expect((await call("GET", "/v1/projects?page_size=x")).json.message).toContain("pageSize");
  });

  it("reads a body field, with other fields from the query", async () => {
    const { json } = await call("POST", "/v1/projects?project_id=b", { displayName: "B" });
    expect(json.project).toEqual({ name: "projects/b", displayName: "B" });
  });

  it("serves custom verbs, with and without a body", async () => {
    const path = `/v1/${STREAM}/sinks/k:pause`;
    expect((await call("POST", path)).json).toEqual({ sink: { name: `${STREAM}/sinks/k` } });
    expect((await call("POST", path, {})).status).toBe(200);
    expect((await call("POST", `/v1/${STREAM}/sinks/k:nope`)).status).toBe(404);
  });

  it("serves additional bindings", async () => {
    expect(
      (await call("POST", `/v1/${STREAM}/grants`, { clientId: "c", role: "VIEWER" })).json.grant
        .name,
    ).toBe(`${STREAM}/grants/g`);
  });

  it("fills the update mask with the fields of the body", async () => {
    const patched = await call("PATCH", "/v1/projects/a", { displayName: "N", name: "projects/z" });
    expect(patched.json.project).toEqual({ name: "projects/a", displayName: "N|display_name" });
    const masked = await call("PATCH", "/v1/projects/a?update_mask=display_name", {
      displayName: "N",
    });
    expect(masked.json.project.displayName).toBe("N|display_name");
    const emptied = await call("PATCH", "/v1/projects/a", { displayName: "" });
    expect(emptied.json.project.displayName).toBe("|display_name");
  });

  it("refuses unknown fields, by name", async () => {
    const { status, json } = await call("POST", "/v1/projects?project_id=b", { displayNam: "B" });
    expect(status).toBe(400);
    expect(json.message).toContain("displayNam");
  });

  it("answers 401 before it reads the body", async () => {
    const { status, headers } = await call("POST", "/v1/projects", "{broken", {
      authorization: "",
    });
    expect([status, headers.get("www-authenticate")]).toEqual([401, 'Bearer realm="tributary"']);
  });

  it("answers 404, 405 with Allow, and 415 that names the type", async () => {
    expect((await call("GET", "/v1/nothing")).json.code).toBe("not_found");
    const wrong = await call("PUT", "/v1/projects/a");
    expect([wrong.status, wrong.headers.get("allow")]).toEqual([405, "GET, PATCH, DELETE"]);
    const typed = await call("POST", "/v1/projects", "{}", { "content-type": "text/plain" });
    expect(typed.status).toBe(415);
    expect(typed.json.message).toContain("application/json");
  });

  it("prints stored records losslessly, over /v1 and Connect JSON", async () => {
    const rest = await call("GET", `/v1/${STREAM}/records`);
    expect(rest.text).toContain(`"value":${STORED_JSON}`);
    const connect = await call("POST", "/tributary.records.v1.RecordService/ListRecords", {
      stream: STREAM,
    });
    expect(connect.text).toContain(`"value":${STORED_JSON}`);
    const held = await call("GET", `/v1/${STREAM}/sinks/k/heldRecords`);
    expect(held.text).toContain(`"value":${STORED_JSON}`);
  });

  it("streams as NDJSON, and says errors by status or in the last line", async () => {
    const whole = await call("GET", `/v1/${STREAM}/records:tail?from_sequence=1`);
    expect(whole.headers.get("content-type")).toBe("application/x-ndjson");
    expect(whole.text).toContain(`"value":${STORED_JSON}`);
    expect(whole.text.trimEnd().split("\n")).toHaveLength(1);
    const broken = await call("GET", `/v1/${STREAM}/records:tail?from_sequence=2`);
    expect(JSON.parse(broken.text.trimEnd().split("\n")[1]!).error.code).toBe("unavailable");
    const refused = await call("GET", `/v1/${STREAM}/records:tail`, undefined, {
      authorization: "",
    });
    expect([refused.status, refused.json.code]).toEqual([401, "unauthenticated"]);
    expect(refused.headers.get("www-authenticate")).toBe('Bearer realm="tributary"');
  });

  it("answers every violation at once with field paths", async () => {
    const { json, status } = await call("POST", "/tributary.push.v1.PushService/Push", {
      stream: "",
      records: [{ id: "a" }, { json: "e30=", id: "x".repeat(300) }],
    });
    expect(status).toBe(400);
    const { fieldViolations } = json.details.find(
      (d: { type: string }) => d.type === "google.rpc.BadRequest",
    ).debug;
    expect(fieldViolations.map((v: { field: string }) => v.field)).toEqual([
      "stream",
      "records[0].payload",
      "records[1].id",
    ]);
  });

  it("tells nothing of its insides, and logs the request id", async () => {
    const { json, status, headers } = await call("GET", "/v1/projects/broken", undefined, {
      "x-request-id": "req-1",
    });
    expect([status, json.code, headers.get("x-request-id")]).toEqual([500, "internal", "req-1"]);
    expect(JSON.stringify(json)).not.toMatch(/SELECT|db\.internal|\.ts/);
    expect(json.details[0].debug.metadata.requestId).toBe("req-1");
    expect(JSON.stringify(server.logger.lines.filter((l) => l.level === "error"))).toContain(
      "req-1",
    );
  });

  it("takes compressed bodies and sends compressed answers", async () => {
    const { gzipSync, zstdCompressSync } = await import("node:zlib");
    for (const [name, compress] of [
      ["gzip", gzipSync],
      ["zstd", zstdCompressSync],
    ] as const) {
      const response = await fetch(`${server.url}/v1/projects?project_id=b`, {
        method: "POST",
        headers: { ...AUTHORIZATION, "content-type": "application/json", "content-encoding": name },
        body: new Uint8Array(compress(Buffer.from('{"displayName":"B"}'))),
      });
      expect(await response.json()).toEqual({ project: { name: "projects/b", displayName: "B" } });
    }
    const big = await fetch(`${server.url}/v1/projects/big`, {
      headers: { ...AUTHORIZATION, "accept-encoding": "gzip" },
    });
    expect(big.headers.get("content-encoding")).toBe("gzip");
    expect(
      ((await big.json()) as { project: { displayName: string } }).project.displayName,
    ).toHaveLength(5_000);
  });
});
