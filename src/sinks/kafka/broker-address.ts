/** Address of a Kafka broker. */
export interface BrokerAddress {
  readonly host: string;
  readonly port: number;
}

const DEFAULT_PORT = 9092;

/** Parses `host:port`, `host` or `[::1]:9092`; a string says what is wrong. */
export function parseBroker(text: string): BrokerAddress | string {
  if (!/^[\w.:[\]-]+$/.test(text) || !URL.canParse(`http://${text}`)) {
    return "is no broker, such as kafka.example.com:9092";
  }
  // URLs make the host plain (0x7f.1 becomes an address), and leave out port 80, which is theirs.
  const { hostname, port } = new URL(`http://${text}`);
  const host = hostname.replace(/^\[|\]$/g, "");
  return { host, port: Number(port || (text.endsWith(":80") ? 80 : DEFAULT_PORT)) };
}
