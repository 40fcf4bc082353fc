/** Serves the web console: files that the build left in a folder, held in memory from the start. */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { extname, join } from "node:path";
import { type HttpHandler, type HttpRequest, type HttpResponse, pathOf } from "./http-message.ts";

/** What the console may load and do: everything from this server, and nothing inline. */
const PAGE_HEADERS = {
  "content-security-policy":
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "cross-origin-opener-policy": "same-origin",
} as const;

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
};

/** First steps of paths that belong to programs: a miss there stays an error in JSON. */
const API_STEPS = new Set(["v1", "in", "oauth2", "auth", ".well-known", "assets", "metrics"]);

/** Encodings in the order of preference, with the ending of the copy that the build made. */
const ENCODINGS = [
  ["br", ".br"],
  ["gzip", ".gz"],
] as const;

/** The console of a server. */
export interface Console {
  /** The handler of a request for a page or a file of it; undefined for every other request. */
  find(request: HttpRequest): HttpHandler | undefined;
}

interface ConsoleFile {
  readonly etag: string;
  readonly type: string;
  readonly cacheControl: string;
  /** Bytes by content encoding; `identity` is always there. */
  readonly bodies: ReadonlyMap<string, Buffer>;
}

/**
 * Opens the console in a folder, dist/console when left out; undefined when it was not built. Every
 * page is the same document: which one is shown is decided in the browser.
 */
export function openConsole(folder: string = consoleFolder()): Console | undefined {
  if (!existsSync(join(folder, "index.html"))) return undefined;
  const files = readFiles(folder);
  const page = files.get("/index.html");
  return {
    find(request) {
      if (request.method !== "GET" && request.method !== "HEAD") return undefined;
      const file = files.get(pathOf(request)) ?? (wantsPage(request) ? page : undefined);
      return file && ((asked, response) => sendFile(asked, response, file));
    },
  };
}

/** Where the build leaves the console, seen from `src/server` and from `dist/server`. */
function consoleFolder(): string {
  const beside = join(import.meta.dirname, "../console");
  return existsSync(join(beside, "index.html")) && import.meta.filename.endsWith(".js")
    ? beside
    : join(import.meta.dirname, "../../dist/console");
}

function wantsPage(request: HttpRequest): boolean {
  const [, step = ""] = pathOf(request).split("/");
  if (API_STEPS.has(step) || step.startsWith("tributary.") || step.startsWith("grpc."))
    return false;
  return /\btext\/html\b/.test(request.headers.accept ?? "");
}

function readFiles(folder: string): Map<string, ConsoleFile> {
  const files = new Map<string, ConsoleFile>();
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    const type = TYPES[extname(entry.name)];
    if (!entry.isFile() || type === undefined) continue;
    const file = join(entry.parentPath, entry.name);
    const path = file.slice(folder.length).replaceAll("\\", "/");
    files.set(path, readFile(file, { type, isHashed: path.startsWith("/assets/") }));
  }
  return files;
}

function readFile(file: string, about: { type: string; isHashed: boolean }): ConsoleFile {
  const body = readFileSync(file);
  const bodies = new Map([["identity", body]]);
  for (const [encoding, ending] of ENCODINGS) {
    if (existsSync(file + ending)) bodies.set(encoding, readFileSync(file + ending));
  }
  return {
    etag: `"${createHash("sha256").update(body).digest("base64url").slice(0, 22)}"`,
    type: about.type,
    cacheControl: about.isHashed ? "public, max-age=31536000, immutable" : "no-cache",
    bodies,
  };
}

function sendFile(request: HttpRequest, response: HttpResponse, file: ConsoleFile): void {
  const encoding = chooseEncoding(String(request.headers["accept-encoding"] ?? ""), file);
  // The tag of a compressed copy is another one: caches may not mix them up.
  const etag = encoding === "identity" ? file.etag : `${file.etag.slice(0, -1)}-${encoding}"`;
  const headers: Record<string, string> = {
    ...PAGE_HEADERS,
    etag,
    vary: "accept, accept-encoding",
    "cache-control": file.cacheControl,
  };
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  if (isFresh(request.headers["if-none-match"], etag)) {
    response.statusCode = 304;
    response.end();
    return;
  }
  const body = file.bodies.get(encoding) ?? Buffer.alloc(0);
  response.statusCode = 200;
  response.setHeader("content-type", file.type);
  response.setHeader("content-length", String(body.length));
  if (encoding !== "identity") response.setHeader("content-encoding", encoding);
  if (request.method === "HEAD") response.end();
  else response.end(body);
}

function chooseEncoding(accepted: string, file: ConsoleFile): string {
  const refused = /;\s*q=0(\.0+)?\s*$/;
  const names = accepted
    .split(",")
    .filter((each) => !refused.test(each))
    .map((each) => each.split(";", 1)[0]?.trim().toLowerCase());
  const found = ENCODINGS.find(([name]) => names.includes(name) && file.bodies.has(name));
  return found?.[0] ?? "identity";
}

function isFresh(given: string | undefined, etag: string): boolean {
  if (given === undefined) return false;
  return given.split(",").some((each) => each.trim().replace(/^W\//, "") === etag);
}
