import { createServer, type LookupFunction } from "node:net";
import { expect, test } from "vitest";
import { createEgressGuard } from "../../src/sinks/egress.ts";

const closed = { isLoopbackAllowed: false, egressAllowList: [] };

const REFUSED = [
  "127.0.0.1",
  "127.9.9.9",
  "0.0.0.0",
  "10.0.0.1",
  "172.16.0.1",
  "192.168.1.1",
  "169.254.169.254",
  "100.64.0.1",
  "192.0.0.8",
  "192.0.2.1",
  "198.18.0.1",
  "203.0.113.9",
  "224.0.0.1",
  "240.0.0.1",
  "255.255.255.255",
  "::",
  "::1",
  "::ffff:127.0.0.1",
  "::ffff:8.8.8.8",
  "::127.0.0.1",
  "64:ff9b::7f00:1",
  "64:ff9b:1::1",
  "2002:7f00:1::",
  "2001::1",
  "fc00::1",
  "fd00:ec2::254",
  "fe80::1",
  "fe80::1%lo",
  "fec0::1",
  "ff02::1",
  "2001:db8::1",
  "3fff::1",
  "5f00::1",
  "100::1",
  "[::1]",
];

test.each(REFUSED)("B05, check 25: refuses the address %s", async (address) => {
  await expect(createEgressGuard(closed).resolve(address)).rejects.toMatchObject({
    reason: "ADDRESS_REFUSED",
  });
});

test.each([
  "http://2130706433",
  "http://0x7f.1",
  "http://017700000001",
  "http://0",
  "http://127.1",
  "http://[::ffff:127.0.0.1]",
  "http://①②⑦.0.0.1",
])("check 25: the odd form %s is normalised by the URL and refused", async (text) => {
  const { hostname } = new URL(text);
  await expect(createEgressGuard(closed).resolve(hostname)).rejects.toMatchObject({
    reason: "ADDRESS_REFUSED",
  });
});

test("public addresses pass, and every answer of a name must", async () => {
  const answers = ["1.1.1.1", "2606:4700::1111"];
  const guard = createEgressGuard(closed, async () => answers);
  expect(await guard.resolve("example.com")).toEqual([
    { address: "1.1.1.1", family: 4 },
    { address: "2606:4700::1111", family: 6 },
  ]);
  answers.push("10.0.0.1");
  await expect(guard.resolve("example.com")).rejects.toMatchObject({ reason: "ADDRESS_REFUSED" });
  const none = createEgressGuard(closed, async () => []);
  await expect(none.resolve("example.com")).rejects.toMatchObject({ reason: "NAME_UNKNOWN" });
});

test("the operator allows ranges and loopback, but never metadata services", async () => {
  const egressAllowList = ["10.1.0.0/16", "fd00::/8", "169.254.0.0/16"];
  const guard = createEgressGuard({ isLoopbackAllowed: true, egressAllowList });
  for (const address of ["10.1.2.3", "fd12::1", "127.0.0.1", "::1", "169.254.1.1"]) {
    expect(await guard.resolve(address)).toHaveLength(1);
  }
  for (const address of ["10.2.0.1", "169.254.169.254", "fd00:ec2::254"]) {
    await expect(guard.resolve(address)).rejects.toMatchObject({ reason: "ADDRESS_REFUSED" });
  }
});

test("check 26: a resolver that alternates its answers never leads inward, in 1,000 tries", async () => {
  let inward = 0;
  const server = createServer((socket) => {
    inward += 1;
    socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  let turn = 0;
  const guard = createEgressGuard(closed, async () => [turn++ % 2 ? "127.0.0.1" : "1.1.1.1"]);
  const ask = (lookup: LookupFunction, all: boolean) =>
    new Promise<unknown>((resolve) =>
      lookup("rebind.example", { all }, (error, answer) => resolve(error ?? answer)),
    );
  for (let i = 0; i < 1000; i += 1) {
    const answer = await ask(guard.lookup, i % 3 === 0);
    const text = answer instanceof Error ? "" : JSON.stringify(answer);
    expect(text).not.toContain("127.0.0.1");
  }
  server.close();
  expect(inward).toBe(0);
});
