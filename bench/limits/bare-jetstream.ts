/**
 * The limit below a push: messages published to one JetStream stream with a core publish and one
 * reply subscription, some under way at once. Arguments: URL, message bytes, messages under way,
 * milliseconds. Prints `begin` and messages a second.
 */
import { jetstreamManager, StorageType } from "@nats-io/jetstream";
import { connect, createInbox } from "@nats-io/transport-node";

const [url = "", bytes = "84", underWay = "64", milliseconds = "3000"] = process.argv.slice(2);
const nc = await connect({ servers: url, noAsyncTraces: true });
const jsm = await jetstreamManager(nc);
const name = `bare-${bytes}-${underWay}`;
await jsm.streams.add({ name, subjects: [name], storage: StorageType.File });
const data = Buffer.alloc(Number(bytes), "x");
const inbox = createInbox();
let answers = 0;
let startedAt = 0;
nc.subscribe(inbox, {
  callback(_error, message) {
    if (message.string().includes('"error"')) throw new Error(message.string());
    answers++;
    nc.publish(name, data, { reply: inbox });
  },
});
for (let i = 0; i < Number(underWay); i++) nc.publish(name, data, { reply: inbox });
setTimeout(() => {
  process.stdout.write("begin\n");
  answers = 0;
  startedAt = performance.now();
}, 500);
setTimeout(() => {
  const rate = answers / ((performance.now() - startedAt) / 1000);
  process.stdout.write(`${rate}\n`, () => process.exit(0));
}, 500 + Number(milliseconds));
