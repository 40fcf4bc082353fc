import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ProjectService } from "#gen/tributary/management/v1/project_service_pb.js";
import { RecordService } from "#gen/tributary/records/v1/record_service_pb.js";
import { waitFor } from "../support/wait-for.ts";
import { openSession, sendHttp2, sendRaw } from "./raw-http.ts";
import { AUTHORIZATION, STREAM, startTestServer } from "./test-server.ts";

const GET_PROJECT = "/tributary.management.v1.ProjectService/GetProject";

/** Milliseconds until the server ends a connection on which `bytes` were sent, then one every 100 ms. */
async function timeToClose(port: number, bytes: string, drip = ""): Promise<number> {
  const startMs = performance.now();
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => undefined);
  socket.resume();
  if (bytes) socket.write(bytes);
  const timer = drip ? setInterval(() => socket.write(drip), 100) : undefined;
  await once(socket, "close");
  clearInterval(timer);
  return performance.now() - startMs;
}

describe("first bytes", () => {
  it("finds the HTTP/2 preface in pieces of one byte", async () => {
    await using server = await startTestServer();
    const socket = connect(server.port.port, "127.0.0.1");
    socket.setNoDelay(true);
    await once(socket, "connect");
    for (const byte of "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") {
      socket.write(byte);
      await new Promise((resolve) => setImmediate(resolve));
    }
    socket.write(Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]));
    const [settings] = (await once(socket, "data")) as [Buffer];
    expect(settings[3]).toBe(4);
    socket.destroy();
  });

  it("answers the JVM's Upgrade: h2c with every POST over HTTP/1.1", async () => {
    await using server = await startTestServer();
    const body = '{"name":"projects/a"}';
    const request = [
      `POST ${GET_PROJECT} HTTP/1.1`,
      "Connection: Upgrade, HTTP2-Settings",
      `Content-Length: ${body.length}`,
      "Host: localhost",
      "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
      "Upgrade: h2c",
      "User-Agent: Java-http-client/21",
      "Content-Type: application/json",
      "Authorization: Bearer good",
    ];
    const answer = await sendRaw(server.port.port, `${request.join("\r\n")}\r\n\r\n${body}`);
    expect(answer.status).toBe(200);
    expect(JSON.parse(answer.body)).toMatchObject({ project: { name: "projects/a" } });
  });

  it("closes connections that stay silent", async () => {
    await using server = await startTestServer({ portLimits: { firstBytesMs: 200 } });
    expect(await timeToClose(server.port.port, "")).toBeGreaterThan(150);
    expect(await timeToClose(server.port.port, "PR")).toBeLessThan(2_000);
  });
});

describe("J: protocol abuse", () => {
  it("bad input 54: rapid resets end the session with GOAWAY", async () => {
    await using server = await startTestServer();
    const session = openSession(server.url);
    const goaway = once(session, "goaway");
    let sent = 0;
    while (!session.closed && !session.destroyed && sent < 5_000) {
      for (let i = 0; i < 50 && !session.closed && !session.destroyed; i++) {
        const stream = session.request({ ":path": "/healthz" });
        stream.on("error", () => undefined);
        stream.close(8);
        sent += 1;
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    await goaway;
    expect(sent).toBeLessThan(5_000);
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
  });

  it("bad input 55: at most 100 streams at once", async () => {
    await using server = await startTestServer();
    const session = openSession(server.url);
    const [settings] = await once(session, "remoteSettings");
    expect(settings.maxConcurrentStreams).toBe(100);
    expect(settings.maxHeaderListSize).toBe(16_384);
    session.destroy();
  });

  it("bad input 55: 2,000 half-open streams are refused over 100", async () => {
    await using server = await startTestServer();
    const socket = connect(server.port.port, "127.0.0.1");
    socket.on("error", () => undefined);
    const frames: Buffer[] = [Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), frame(4, 0, 0, [])];
    // :method POST, :scheme http, :path /, :authority x
    const block = [0x83, 0x86, 0x84, 0x41, 0x01, 0x78];
    for (let i = 0; i < 2_000; i++) frames.push(frame(1, 4, 2 * i + 1, block));
    socket.write(Buffer.concat(frames));
    let bytes = Buffer.alloc(0);
    socket.on("data", (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]);
    });
    await waitFor(() => framesOf(bytes).some(({ type }) => type === 3 || type === 7), {
      timeoutMs: 5_000,
    });
    socket.destroy();
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
  });

  it("bad input 56: a slow head and a dripping body are closed on HTTP/1.1", async () => {
    const limits = { headersMs: 400, requestMs: 1_000, checkIntervalMs: 100 };
    await using server = await startTestServer({ portLimits: limits });
    const { port } = server.port;
    expect(await timeToClose(port, "GET / HTTP/1.1\r\n", "x")).toBeLessThan(3_000);
    const head = `POST ${GET_PROJECT} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer good\r\nContent-Length: 1000\r\n\r\n`;
    const bodyMs = await timeToClose(port, head, " ");
    expect(bodyMs).toBeGreaterThan(500);
    expect(bodyMs).toBeLessThan(4_000);
  });

  it("bad input 56: a dripping body is reset on HTTP/2", async () => {
    await using server = await startTestServer({ portLimits: { requestMs: 500, headersMs: 500 } });
    const session = openSession(server.url);
    const stream = session.request({
      ":method": "POST",
      ":path": GET_PROJECT,
      "content-type": "application/json",
      ...AUTHORIZATION,
    });
    stream.on("error", () => undefined);
    const timer = setInterval(() => stream.write(" "), 50);
    const startMs = performance.now();
    await once(stream, "close");
    clearInterval(timer);
    expect(performance.now() - startMs).toBeLessThan(3_000);
    session.destroy();
  });

  it("refuses more sessions from one address than allowed", async () => {
    await using server = await startTestServer({ portLimits: { sessionsPerAddress: 2 } });
    const sessions = [openSession(server.url), openSession(server.url)];
    for (const session of sessions)
      expect((await sendHttp2(session, { ":path": "/healthz" })).status).toBe(200);
    const third = openSession(server.url);
    await once(third, "close");
    for (const session of sessions) session.destroy();
    await waitFor(
      async () => {
        const again = openSession(server.url);
        const { status } = await sendHttp2(again, { ":path": "/healthz" }).catch(() => ({
          status: 0,
        }));
        again.destroy();
        return status === 200;
      },
      { timeoutMs: 5_000 },
    );
  });

  it("asks a session to reconnect after its requests or its age", async () => {
    await using server = await startTestServer({ portLimits: { requestsPerSession: 5 } });
    const session = openSession(server.url);
    const goaway = once(session, "goaway");
    for (let i = 0; i < 5; i++)
      expect((await sendHttp2(session, { ":path": "/healthz" })).status).toBe(200);
    await goaway;
    await using aging = await startTestServer({ portLimits: { sessionAgeMs: 100, pingMs: 50 } });
    const old = openSession(aging.url);
    await once(old, "close");
  });

  it("refuses a large upload without credentials after its head", async () => {
    await using server = await startTestServer();
    const head = `POST /tributary.push.v1.PushService/Push HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000000000\r\n\r\n`;
    const startMs = performance.now();
    const { status, isClosed } = await sendRaw(server.port.port, head, 2_500);
    expect([status, isClosed]).toEqual([401, true]);
    expect(performance.now() - startMs).toBeLessThan(3_000);
  });
});

describe("draining", () => {
  it("answers requests in flight, ends streams, and takes no more", async () => {
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    await using server = await startTestServer({
      routes: [
        {
          methods: ["GET"],
          path: "/slow",
          async handle(_request, response) {
            await held;
            response.end("done");
          },
        },
      ],
    });
    const slow1 = fetch(`${server.url}/slow`);
    const session = openSession(server.url);
    const slow2 = sendHttp2(session, { ":path": "/slow" });
    const client = createClient(RecordService, createGrpcTransport({ baseUrl: server.url }));
    const tail = client
      .tailRecords({ stream: STREAM }, { headers: AUTHORIZATION })
      [Symbol.asyncIterator]();
    await tail.next();
    const drained = server.port.drain(5_000);
    await expect(tail.next()).rejects.toThrow("shutting down");
    await expect(fetch(`${server.url}/healthz`)).rejects.toThrow();
    release();
    expect(await (await slow1).text()).toBe("done");
    expect((await slow2).body).toBe("done");
    const startMs = performance.now();
    await drained;
    expect(performance.now() - startMs).toBeLessThan(2_000);
  });

  it("cuts what is left at the deadline, and closes twice without harm", async () => {
    await using server = await startTestServer({
      routes: [{ methods: ["GET"], path: "/never", handle: () => undefined }],
    });
    const never = fetch(`${server.url}/never`).catch(() => "cut");
    const other = openSession(server.url);
    const lost = sendHttp2(other, { ":path": "/never" });
    await sendHttp2(other, { ":path": "/healthz" });
    const startMs = performance.now();
    await server.port.drain(300);
    expect(performance.now() - startMs).toBeLessThan(2_000);
    expect(await never).toBe("cut");
    expect((await lost).status).toBe(0);
    await server.port.close();
  });
});

describe("probes", () => {
  it("/readyz names what is missing, /healthz lives", async () => {
    let isPresent = false;
    const check = () => {
      if (!isPresent) throw new Error("secret.host refused");
    };
    await using server = await startTestServer({
      checks: [
        { name: "nats", check },
        { name: "postgres", check: () => undefined },
      ],
    });
    const missing = await fetch(`${server.url}/readyz`);
    expect([missing.status, await missing.json()]).toEqual([
      503,
      { status: "not ready", missing: ["nats"] },
    ]);
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
    isPresent = true;
    expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
  });
});

describe("TLS", () => {
  const dir = mkdtempSync(join(tmpdir(), "tls-"));
  const files = { certFile: join(dir, "cert.pem"), keyFile: join(dir, "key.pem") };
  const makeCertificate = (name: string) => {
    const [cert, key] = [join(dir, `${name}.cert`), join(dir, `${name}.key`)];
    execFileSync(
      "openssl",
      [
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-keyout",
        key,
        "-out",
        cert,
        "-days",
        "2",
        "-subj",
        `/CN=${name}`,
        "-addext",
        "subjectAltName=IP:127.0.0.1",
      ],
      { stdio: "ignore" },
    );
    return () => {
      copyFileSync(cert, files.certFile);
      copyFileSync(key, files.keyFile);
    };
  };
  beforeAll(() => makeCertificate("first")());
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  it("serves HTTP/2 and HTTP/1.1 by ALPN, and takes up a new certificate", async () => {
    await using server = await startTestServer({ tls: files });
    const nodeOptions = { rejectUnauthorized: false };
    for (const transport of [
      createGrpcTransport({ baseUrl: server.url, nodeOptions }),
      createConnectTransport({ baseUrl: server.url, httpVersion: "1.1", nodeOptions }),
      createConnectTransport({ baseUrl: server.url, httpVersion: "2", nodeOptions }),
    ]) {
      const { project } = await createClient(ProjectService, transport).getProject(
        { name: "projects/a" },
        { headers: AUTHORIZATION },
      );
      expect(project?.name).toBe("projects/a");
    }
    const commonName = async () => {
      const socket = connectTls({
        port: server.port.port,
        host: "127.0.0.1",
        rejectUnauthorized: false,
      });
      await once(socket, "secureConnect");
      const name = socket.getPeerCertificate().subject.CN;
      socket.destroy();
      return name;
    };
    expect(await commonName()).toBe("first");
    makeCertificate("second")();
    await waitFor(async () => (await commonName()) === "second", { timeoutMs: 10_000 });
  });
});

function frame(type: number, flags: number, stream: number, payload: number[]): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, Buffer.from(payload)]);
}

function framesOf(bytes: Buffer): { type: number }[] {
  const frames: { type: number }[] = [];
  for (let at = 0; at + 9 <= bytes.length; at += 9 + bytes.readUIntBE(at, 3))
    frames.push({ type: bytes[at + 3]! });
  return frames;
}
