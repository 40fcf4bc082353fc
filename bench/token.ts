/** How many access tokens a second the server issues, by way of client authentication. */
import { makeClientKey, signAssertion } from "../test/auth/support/keys.ts";
import { call, createApplication } from "../test/support/api.ts";
import type { LoadPlan } from "./load/load.ts";
import { runLoad } from "./load/run-load.ts";
import { describeMachine, formatMemory, type Measurement, type Report } from "./report.ts";
import { type BenchOptions, openRig, type Rig } from "./rig.ts";

const CALLERS = 64;
const WARM_UP_MS = 1_000;
/** Assertions count once, so there are more of them than the server can take. */
const ASSERTIONS_PER_SECOND = 3_000;
const GRANT = { grant_type: "client_credentials" };

interface Work {
  readonly name: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly bodies: () => Promise<LoadPlan["bodies"]>;
}

/** Runs all ways in turn, several times. */
export async function benchToken(options: BenchOptions): Promise<Report> {
  const rig = await openRig(options);
  try {
    const works = (await listWorks(rig, options)).filter(({ name }) =>
      new RegExp(options.only).test(name),
    );
    const measurements: Measurement[] = [];
    for (let run = 0; run < options.runs; run++) {
      for (const work of works) measurements.push(await measure(rig, work, options));
    }
    const notes = [
      ...describeMachine(),
      `${CALLERS} callers, each with one call under way; a record is a token of 15 minutes (ES256)`,
      `memory at rest: ${formatMemory(rig.idle)}`,
    ];
    return { title: "Tokens", notes, measurements };
  } finally {
    await rig.close();
  }
}

async function listWorks({ server }: Rig, options: BenchOptions): Promise<Work[]> {
  const { name, clientId, clientSecret } = await createApplication(server, "bench");
  const key = makeClientKey("ES256", "bench");
  await call(server, "management.v1.ApplicationService/UpdateApplication", {
    application: { name, publicKeys: [key.jwk] },
    updateMask: "publicKeys",
  });
  const basic = Buffer.from(`${clientId}:${clientSecret}`).toString("base64");
  const post = { ...GRANT, client_id: clientId, client_secret: clientSecret };
  const assertions = (options.seconds + WARM_UP_MS / 1_000) * ASSERTIONS_PER_SECOND;
  const signed = async () =>
    formOf({
      ...GRANT,
      client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
      client_assertion: await signAssertion(key, { clientId, audience: server.url }),
    });
  return [
    {
      name: "client_secret_basic",
      headers: { authorization: `Basic ${basic}` },
      bodies: async () => [formOf(GRANT)],
    },
    { name: "client_secret_post", bodies: async () => [formOf(post)] },
    {
      name: "private_key_jwt, each assertion noted in Postgres",
      bodies: () => Promise.all(Array.from({ length: assertions }, signed)),
    },
  ];
}

function formOf(form: Readonly<Record<string, string>>) {
  return { body: Buffer.from(new URLSearchParams(form).toString()).toString("base64") };
}

async function measure(
  rig: Rig,
  { name, headers, bodies }: Work,
  { seconds }: BenchOptions,
): Promise<Measurement> {
  const { hostname, port } = new URL(rig.server.url);
  const result = await runLoad(
    {
      protocol: "http1",
      host: hostname,
      port: Number(port),
      path: "/oauth2/token",
      headers: { "content-type": "application/x-www-form-urlencoded", ...headers },
      bodies: await bodies(),
      callers: CALLERS,
      warmUpMs: WARM_UP_MS,
      measureMs: seconds * 1_000,
    },
    rig.processes,
  );
  if (result.errors > 0) process.stderr.write(`${name}: ${result.firstError}\n`);
  const rate = result.calls / result.seconds;
  return { ...result, name, callsPerSecond: rate, recordsPerSecond: rate };
}
