/** The composition root: opens the parts in order, makes the demo, and says what runs. */
import { type Closers, createClosers } from "./app/closers.ts";
import { openAccess, openAudit, openCatalog } from "./app/control-plane.ts";
import { openDelivery } from "./app/data-plane.ts";
import { type Foundations, openFoundations, type StartOptions } from "./app/foundations.ts";
import { offerSetupToken, openPeople } from "./app/people.ts";
import { createPhases } from "./app/phases.ts";
import { openPort } from "./app/port.ts";
import { packageVersion } from "./app/version.ts";
import { openAlerts } from "./app/watch.ts";
import { createWorkers, type Workers } from "./app/workers.ts";
import type { BannerFacts } from "./banner.ts";
import { rotateSecret } from "./catalog/application-service.ts";
import { ensureDemo, ensureOperator } from "./catalog/demo.ts";
import type { SinkCatalog } from "./catalog/sink-catalog.ts";
import { demoEnvPath, readDemoSecret, writeDemoEnv } from "./demo-env.ts";

/** A running node. */
export interface App {
  /** Address under which callers reach it. */
  readonly url: string;
  readonly facts: Omit<BannerFacts, "seconds">;
  /** Drains and stops everything, within 10 s. */
  readonly close: () => Promise<void>;
}

/** Requests in flight get this long to end. */
const DRAIN_MS = 5_000;

/** Starts a node. What was opened is closed again when a later step fails. */
export async function startApp(options: StartOptions): Promise<App> {
  const closers = createClosers(options.logger);
  try {
    return await openApp(options, closers);
  } catch (error) {
    await closers.close();
    throw error;
  }
}

async function openApp(options: StartOptions, closers: Closers): Promise<App> {
  const { config } = options;
  const time = createPhases(options.logger);
  const foundations = await time("foundations", () => openFoundations(options, closers));
  const workers = openWorkers(options, closers);
  const delivery = await time("delivery", () => openDelivery(foundations, closers, options.at));
  openAlerts(foundations, delivery, closers);
  const catalog = openCatalog(foundations, delivery, closers);
  const audit = openAudit(foundations, closers);
  let url = config.PUBLIC_URL ?? "";
  const publicUrl = () => url;
  const access = await time("access", () =>
    openAccess({ ...foundations, audit }, publicUrl, closers),
  );
  const { auth } = access;
  const worker = options.task?.worker ?? 0;
  const people = openPeople(foundations, { ...access, catalog, publicUrl }, closers);
  const port = await time("port", () =>
    openPort({ foundations, catalog, delivery, auth, audit, people, publicUrl, worker }, closers),
  );
  closers.add("port", () => port.drain(DRAIN_MS));
  url ||= localUrl(foundations, port.port);
  if (worker > 0)
    return { url, facts: describeNode(foundations, url, undefined), close: closers.close };
  const demo = await time("demo", () => openDemo(foundations, catalog, url));
  const setupToken = await offerSetupToken(foundations, people);
  if (workers) {
    closers.add("word to the workers", workers.stop);
    const { nats, postgres } = foundations.embedded ?? {};
    const embedded = { ...(nats && { nats }), ...(postgres && { postgres }) };
    await time("workers", () => workers.start({ port: port.port, embedded }));
  }
  const facts = { ...describeNode(foundations, url, demo), setupToken };
  return { url, facts, close: closers.close };
}

/** The other processes of this node. Servers that are embedded here are closed after they have ended. */
function openWorkers(
  { config, logger, task, command }: StartOptions,
  closers: Closers,
): Workers | undefined {
  const count = config.TRIBUTARY_WORKERS - 1;
  if (task || !command || count < 1) return undefined;
  const workers = createWorkers({ count, command, logger });
  closers.add("workers", workers.ended);
  return workers;
}

function localUrl({ config }: Foundations, port: number): string {
  const scheme = config.TRIBUTARY_TLS_CERT ? "https" : "http";
  const host = config.HOST.includes(":") ? `[${config.HOST}]` : config.HOST;
  return `${scheme}://${host}:${port}`;
}

/** The demo or the operator, where this installation has one. */
async function openDemo(
  { config, embedded }: Foundations,
  catalog: SinkCatalog,
  url: string,
): Promise<BannerFacts["demo"]> {
  if (!config.TRIBUTARY_ROLES.includes("api")) return undefined;
  if (config.TRIBUTARY_OPERATOR_SECRET !== undefined) {
    const clientSecret = config.TRIBUTARY_OPERATOR_SECRET;
    await ensureOperator(catalog, { clientId: "operator", clientSecret });
  }
  if (!config.hasDemo) return undefined;
  const sinkDatabaseUrl = embedded?.postgres?.sinkDatabaseUrl;
  const demo = await ensureDemo(catalog, { hasSinkDatabase: sinkDatabaseUrl !== undefined });
  const known = demo.clientSecret ?? readDemoSecret(config.dataDir);
  const name = `${demo.project}/applications/demo`;
  const secret = known ?? (await rotateSecret(catalog, { name })).clientSecret;
  writeDemoEnv(config.dataDir, {
    TRIBUTARY_URL: url,
    PROJECT: demo.project,
    STREAM: demo.stream,
    CLIENT_ID: demo.clientId,
    CLIENT_SECRET: secret,
    ...(sinkDatabaseUrl !== undefined && { SINK_DATABASE_URL: sinkDatabaseUrl }),
  });
  const isShown = demo.clientSecret !== undefined || known === undefined;
  return {
    project: demo.project,
    stream: demo.stream,
    clientId: demo.clientId,
    clientSecret: isShown ? secret : undefined,
    envFile: demoEnvPath(config.dataDir),
    sink: demo.sink
      ? `${demo.sink}   to the table sensors, running`
      : "none: it needs the embedded Postgres",
  };
}

function describeNode(
  { config, embedded, bus }: Foundations,
  url: string,
  demo: BannerFacts["demo"],
): Omit<BannerFacts, "seconds"> {
  const sync = bus.durability.isPowerSafe ? "fsync before OK" : "not power-safe";
  return {
    version: packageVersion(),
    url,
    dataDir: config.dataDir,
    log: embedded?.nats ? `nats-server, embedded; ${sync}` : `nats-server of NATS_URL; ${sync}`,
    database: embedded?.postgres ? "Postgres, embedded" : "Postgres of DATABASE_URL",
    durabilityWarning: bus.durability.warning ?? "",
    processes: config.TRIBUTARY_WORKERS,
    ...(demo && { demo }),
  };
}
