import type { WebhookSink } from "#gen/tributary/management/v1/sink_pb.js";

/** An endpoint, taken apart. Never log it: it holds credentials. */
export interface Endpoint {
  /** Without user and password. */
  readonly url: URL;
  /** Value of the Authorization header; undefined without credentials. */
  readonly authorization: string | undefined;
  /** Texts that must not appear in any message. */
  readonly secrets: readonly string[];
}

/** Parses the address of a webhook; a string says what is wrong, without any part of the address. */
export function parseEndpoint(config: WebhookSink): Endpoint | string {
  if (!URL.canParse(config.url)) return "is not a URL: https://user:password@host/path";
  const url = new URL(config.url);
  if (url.protocol !== "https:" && url.protocol !== "http:") return "must begin with https://";
  if (url.hostname === "") return "must name a host";
  let user: string;
  let password: string;
  try {
    [user, password] = [decodeURIComponent(url.username), decodeURIComponent(url.password)];
  } catch {
    return "has a % in user or password that is not followed by two hexadecimal digits";
  }
  // RFC 7617, section 2: a colon would end the user, and control characters are not allowed.
  if (user.includes(":")) return "has a colon in its user";
  if (hasControl(user) || hasControl(password))
    return "has a control character in user or password";
  url.username = "";
  url.password = "";
  url.hash = "";
  const basic = Buffer.from(`${user}:${password}`).toString("base64");
  const hasUser = user !== "" || password !== "";
  const secrets = [password, ...(hasUser ? [basic] : []), config.signingSecret];
  secrets.push(config.signingSecret.replace("whsec_", ""), ...Object.values(config.headers));
  secrets.push(config.bearer?.token ?? "", config.clientCredentials?.clientSecret ?? "");
  return {
    url,
    authorization: hasUser ? `Basic ${basic}` : bearerOf(config),
    secrets: secrets.filter((secret) => secret.length > 3),
  };
}

function bearerOf({ bearer }: WebhookSink): string | undefined {
  return bearer && `Bearer ${bearer.token}`;
}

/** `text` with every secret replaced. */
export function redact(text: string, secrets: readonly string[]): string {
  return secrets.reduce((result, secret) => result.replaceAll(secret, "***"), text);
}

function hasControl(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for.
  return /[\u0000-\u001f\u007f]/.test(text);
}

/** The configuration's URL without user and password; empty when it cannot be parsed. */
export function maskUrl(text: string): string {
  if (!URL.canParse(text)) return "";
  const url = new URL(text);
  url.username = "";
  url.password = "";
  return url.href;
}
