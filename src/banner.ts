/** What `npm start` says when everything runs. */
import { relative } from "node:path";

/** Facts for the banner. */
export interface BannerFacts {
  readonly version: string;
  readonly url: string;
  readonly dataDir: string;
  readonly log: string;
  readonly database: string;
  /** Processes that share the port. */
  readonly processes: number;
  /** Set when an OK to a push would not survive a power cut. */
  readonly durabilityWarning: string;
  /** What the first person needs to sign up; undefined when nobody needs it. */
  readonly setupToken?: string | undefined;
  readonly demo?: {
    readonly project: string;
    readonly stream: string;
    readonly clientId: string;
    /** Only at the start that made it. */
    readonly clientSecret: string | undefined;
    readonly envFile: string;
    readonly sink: string;
  };
  readonly seconds: number;
}

/** The text, with a last line that begins with `ready`. */
export function formatBanner(facts: BannerFacts): string {
  const lines = [
    `Tributary ${facts.version}`,
    "",
    row("address", `${facts.url}   (HTTP/JSON, Connect, gRPC and gRPC-Web on one port)`),
    row("data", shortPath(facts.dataDir)),
    row("log", facts.log),
    row("database", facts.database),
  ];
  if (facts.processes > 1) lines.push(row("workers", `${facts.processes} processes on this port`));
  if (facts.durabilityWarning) lines.push(row("WARNING", facts.durabilityWarning));
  if (facts.setupToken)
    lines.push(
      row(
        "set-up",
        `${facts.setupToken}   (the first person needs it to sign up; also in setup.token)`,
      ),
    );
  if (facts.demo) lines.push("", ...demoLines(facts.demo));
  lines.push("", `ready in ${facts.seconds.toFixed(1)} s   (Ctrl-C ends it; the data stays)`);
  return `${lines.join("\n")}\n`;
}

function demoLines(demo: NonNullable<BannerFacts["demo"]>): string[] {
  const envFile = shortPath(demo.envFile);
  return [
    row("project", demo.project),
    row(
      "stream",
      `${demo.stream}   sensor_id STRING (key), temperature DOUBLE, created_at TIMESTAMP`,
    ),
    row("sink", demo.sink),
    row("client id", demo.clientId),
    row(
      "secret",
      demo.clientSecret
        ? `${demo.clientSecret}   (shown this once; also in ${envFile})`
        : `in ${envFile}`,
    ),
    "",
    "Push a first record: paste this into another terminal.",
    "",
    `  set -a; . ${envFile.includes("/") ? envFile : `./${envFile}`}; set +a`,
    '  TOKEN=$(curl -s -u "$CLIENT_ID:$CLIENT_SECRET" -d grant_type=client_credentials \\',
    `    "$TRIBUTARY_URL/oauth2/token" | sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')`,
    '  curl "$TRIBUTARY_URL/v1/$STREAM/records" -H "Authorization: Bearer $TOKEN" \\',
    "    -H 'Content-Type: application/json' \\",
    `    -d '[{"value":{"sensor_id":"bar4","temperature":4.132,"created_at":"2026-01-01T00:00:00Z"}}]'`,
  ];
}

/** Relative below the current folder, else whole. */
function shortPath(path: string): string {
  const short = relative("", path);
  return short === "" || short.startsWith("..") ? path : short;
}

function row(label: string, text: string): string {
  return `  ${label.padEnd(11)}${text}`;
}
