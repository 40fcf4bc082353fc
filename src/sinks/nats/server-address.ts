/** Address of a NATS server. */
export interface ServerAddress {
  readonly host: string;
  readonly port: number;
  readonly isTls: boolean;
}

const DEFAULT_PORT = 4222;

/** Parses `nats://host:4222` or `tls://host`; a string says what is wrong, without repeating it. */
export function parseServer(text: string): ServerAddress | string {
  const match = /^(nats|tls):\/\/(.*)$/.exec(text);
  if (!match) return "must begin with nats:// or tls://";
  const [, scheme, rest] = match;
  // Of schemes that are special to URLs alone the host is made plain: 0x7f.1 becomes an address.
  if (!URL.canParse(`http://${rest}`)) return "is no address, such as nats://nats.example.com:4222";
  const url = new URL(`http://${rest}`);
  if (url.username || url.password) return "must not hold a user or password: set `user`";
  if (url.pathname !== "/" || url.search || url.hash) return "must end with the port";
  // URLs leave out port 80, which is theirs.
  const port = Number(url.port || (/:80\/?$/.test(rest!) ? 80 : DEFAULT_PORT));
  return { host: url.hostname.replace(/^\[|\]$/g, ""), port, isTls: scheme === "tls" };
}
