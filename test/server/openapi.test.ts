import { Validator } from "@seriousme/openapi-schema-validator";
import { describe, expect, it } from "vitest";
import { startTestServer } from "./test-server.ts";

interface Document {
  openapi: string;
  paths: Record<
    string,
    Record<string, { operationId: string; description?: string; security?: unknown[] }>
  >;
  components: {
    schemas: Record<
      string,
      {
        description?: string;
        required?: string[];
        properties: Record<string, Record<string, unknown>>;
      }
    >;
  };
}

describe("/openapi.json", () => {
  it("K02: is valid OpenAPI 3.1 and holds every REST path", async () => {
    await using server = await startTestServer({
      publicUrl: "https://push.example.com",
      version: "1.2.3",
    });
    const response = await fetch(`${server.url}/openapi.json`);
    expect(response.headers.get("content-type")).toBe("application/json");
    const document = (await response.json()) as Document;
    const validator = new Validator();
    const result = await validator.validate(structuredClone(document) as never);
    expect(result.errors).toBeUndefined();
    expect(result.valid).toBe(true);
    expect(document.openapi).toBe("3.1.0");

    const records = document.paths["/v1/projects/{project}/streams/{stream}/records"]!;
    expect(Object.keys(records).sort()).toEqual(["get", "post"]);
    expect(
      document.paths["/v1/projects/{project}/streams/{stream}/sinks/{sink}:pause"]?.post?.security,
    ).toEqual([{ oauth2: ["api:use-streams-manage"] }]);
    expect(document.paths).toHaveProperty("/oauth2/token");

    const ids = Object.values(document.paths).flatMap((item) =>
      Object.values(item).map((o) => o.operationId),
    );
    expect(new Set(ids).size).toBe(ids.length);
    for (const [path, item] of Object.entries(document.paths)) {
      const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      expect(new Set(names).size, path).toBe(names.length);
      expect(Object.keys(item).length).toBeGreaterThan(0);
    }
  });

  it("carries comments and limits of the protos", async () => {
    await using server = await startTestServer();
    const document = (await (await fetch(`${server.url}/openapi.json`)).json()) as Document;
    const { schemas } = document.components;
    expect(schemas["management.v1.Stream"]?.description).toContain("log of JSON records");
    expect(schemas["management.v1.Stream"]?.properties.keyFields).toMatchObject({
      maxItems: 8,
      uniqueItems: true,
    });
    expect(document.paths["/v1/projects/{project}"]?.get?.description).toBeTruthy();
    expect(JSON.stringify(document)).not.toContain('"$ref":"#/components/schemas/undefined"');
    for (const [, name] of JSON.stringify(document).matchAll(/#\/components\/schemas\/([\w.]+)/g)) {
      expect(schemas).toHaveProperty([name!]);
    }
  });
});
