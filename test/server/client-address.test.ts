import { connect as connectHttp2 } from "node:http2";
import fc from "fast-check";
import { expect, test } from "vitest";
import { createClientAddresses } from "../../src/server/client-address.ts";
import { createPort } from "../../src/server/listen.ts";
import { createTestLogger } from "./test-server.ts";

const PROXIES = ["10.0.0.0/8", "2001:db8::/32"];
const PROXY = "10.0.0.1";
const CALLER = "203.0.113.7";

const findVia = (headers: Record<string, string>, peer = PROXY, proxies = PROXIES) =>
  createClientAddresses(proxies).find({ peer, headers });
const via = (chain: string, peer?: string) => findVia({ "x-forwarded-for": chain }, peer);
const forwarded = (text: string) => findVia({ forwarded: text });

test("check 30: without trusted proxies the caller is the peer, whatever it sends", () => {
  const headers = { "x-forwarded-for": CALLER, forwarded: `for=${CALLER}` };
  expect(findVia(headers, PROXY, [])).toBe(PROXY);
  expect(findVia(headers, "::ffff:192.0.2.1", [])).toBe("192.0.2.1");
  expect(findVia({}, "2001:db8::1", [])).toBe("2001:db8::1");
});

test("check 30: a peer that is no trusted proxy cannot name another caller", () => {
  expect(via("10.0.0.9", "192.0.2.1")).toBe("192.0.2.1");
  expect(findVia({ forwarded: "for=10.0.0.9" }, "192.0.2.1")).toBe("192.0.2.1");
});

test("check 30: behind trusted proxies the caller is the rightmost address that is none of them", () => {
  expect(via(CALLER)).toBe(CALLER);
  expect(via(`${CALLER}, 10.0.0.2,10.0.0.3`)).toBe(CALLER);
  expect(via(CALLER, "::ffff:10.0.0.1")).toBe(CALLER);
  expect(via(`${CALLER}, 2001:db8::7`, "2001:db8::1")).toBe(CALLER);
});

test("what the caller wrote into the header itself is never believed", () => {
  expect(via(`10.0.0.5, 198.51.100.1, ${CALLER}`)).toBe(CALLER);
  expect(via(`127.0.0.1, ${CALLER}, 10.0.0.2`)).toBe(CALLER);
  expect(via(`garbage,,"quotes, ${CALLER}`)).toBe(CALLER);
  expect(forwarded(`for=127.0.0.1;by=x, for=${CALLER}`)).toBe(CALLER);
});

test("where the chain names no address, the nearest proxy stands for the caller", () => {
  expect(via("")).toBe(PROXY);
  expect(via(`${CALLER}, unknown`)).toBe(PROXY);
  expect(via(`${CALLER}, _hidden, 10.0.0.2`)).toBe("10.0.0.2");
  expect(via(`${CALLER}, 127.1`)).toBe(PROXY);
  expect(via(`${CALLER}, fe80::1%eth0`)).toBe(PROXY);
});

test("callers inside the trusted networks are named by the far end of the chain", () => {
  expect(via("10.9.9.9, 10.0.0.2")).toBe("10.9.9.9");
});

test("check 30: addresses come with ports and brackets, and IPv4 written as IPv6 is IPv4", () => {
  expect(via(`${CALLER}:4711`)).toBe(CALLER);
  expect(via("[2001:DB9::1]:4711")).toBe("2001:db9::1");
  expect(via("[2001:db9::1]")).toBe("2001:db9::1");
  expect(via(`::ffff:${CALLER}`)).toBe(CALLER);
  expect(via(`${CALLER}, ::ffff:10.0.0.2`)).toBe(CALLER);
});

test("RFC 7239: Forwarded is read where X-Forwarded-For is missing", () => {
  expect(forwarded(`for=${CALLER}`)).toBe(CALLER);
  expect(forwarded(`For="${CALLER}:80";proto=https;host="a,b;for=1.2.3.4"`)).toBe(CALLER);
  expect(forwarded(`for="[2001:db9:cafe::17]:4711"`)).toBe("2001:db9:cafe::17");
  expect(forwarded(`for=${CALLER}, for=10.0.0.2;by=10.0.0.1`)).toBe(CALLER);
  expect(forwarded(`for=${CALLER}, for=unknown`)).toBe(PROXY);
  expect(forwarded(`for=${CALLER}, for=_hidden`)).toBe(PROXY);
  expect(forwarded(`for=${CALLER}, proto=http`)).toBe(PROXY);
  expect(findVia({ "x-forwarded-for": CALLER, forwarded: "for=1.2.3.4" })).toBe(CALLER);
});

test("a quote that the caller left open in Forwarded reaches nothing that a proxy wrote", () => {
  expect(forwarded(`for=1.2.3.4;x=", for=${CALLER};host="h"`)).toBe(PROXY);
  expect(forwarded(`x=", for=${CALLER};host=";y=z,for=1.2.3.4;q="`)).toBe(PROXY);
  expect(forwarded(`for=1.2.3.4;for=${CALLER}`)).toBe(PROXY);
});

test("any header: the answer is an address", () => {
  const part = fc.oneof(fc.ipV4(), fc.ipV6(), fc.string(), fc.constantFrom("for=", '"', ",", ";"));
  fc.assert(
    fc.property(fc.array(part, { maxLength: 8 }), fc.boolean(), (parts, isForwarded) => {
      const text = parts.join(isForwarded ? "" : ",");
      const found = findVia({ [isForwarded ? "forwarded" : "x-forwarded-for"]: text });
      expect(createClientAddresses([found]).isTrusted(found)).toBe(true);
    }),
  );
});

test("never what stands left of an untrusted address, however it is written", () => {
  const lead = fc.array(fc.oneof(fc.ipV4(), fc.ipV6(), fc.string()), { maxLength: 5 });
  fc.assert(
    fc.property(lead, (parts) => {
      expect(via([...parts, CALLER, "10.0.0.2"].join(", "))).toBe(CALLER);
    }),
  );
});

test("the port tells handlers the caller over HTTP/1.1 and HTTP/2", async () => {
  const port = await createPort({
    host: "127.0.0.1",
    port: 0,
    trustedProxies: ["127.0.0.1"],
    handler: (_request, response, call) => void response.end(call.remoteAddress),
    logger: createTestLogger(),
  });
  try {
    const url = `http://127.0.0.1:${port.port}`;
    const headers = { "x-forwarded-for": `127.0.0.1, ${CALLER}` };
    expect(await (await fetch(url, { headers })).text()).toBe(CALLER);
    expect(await (await fetch(url)).text()).toBe("127.0.0.1");
    const session = connectHttp2(url);
    const call = session.request({ ":path": "/", ...headers });
    const chunks = await call.toArray();
    expect(Buffer.concat(chunks).toString()).toBe(CALLER);
    session.destroy();
  } finally {
    await port.close();
  }
});
