/** A DNS server of its own process: `{name: {A: [...], TXT: [[strings], ...]}}` comes by message. */
import dns2 from "dns2";

/** What the server answers, by name. */
export type DnsRecords = Record<string, { A?: string[]; TXT?: string[][] }>;

let records: DnsRecords = {};
const { Packet } = dns2;
const server = dns2.createServer({
  udp: true,
  handle(request, send) {
    const response = Packet.createResponseFromRequest(request);
    const [question] = request.questions as { name: string; type: number }[];
    const name = question?.name ?? "";
    const found = records[name.toLowerCase()];
    const common = { name, class: Packet.CLASS.IN, ttl: 0 };
    if (!found) response.header.rcode = 3;
    if (question?.type === Packet.TYPE.A) {
      for (const address of found?.A ?? []) {
        response.answers.push({ ...common, type: Packet.TYPE.A, address } as never);
      }
    }
    if (question?.type === Packet.TYPE.TXT) {
      for (const data of found?.TXT ?? []) {
        response.answers.push({ ...common, type: Packet.TYPE.TXT, data } as never);
      }
    }
    send(response);
  },
});
process.on("message", (message: DnsRecords) => {
  records = message;
  process.send?.("set");
});
process.on("disconnect", () => process.exit(0));
await server.listen({ udp: { port: 0, address: "127.0.0.1" } });
process.send?.((server.addresses() as { udp: { port: number } }).udp.port);
