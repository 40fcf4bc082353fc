/**
 * The limit below a call to a stream of many partitions: atomic batches of JetStream, one for each call,
 * spread over the streams that stand for shards. Arguments: URL, streams, messages a batch, bytes a
 * message, batches under way, milliseconds. Prints batches a second.
 */
import { jetstreamManager, StorageType } from "@nats-io/jetstream";
import { connect, createInbox, headers } from "@nats-io/transport-node";

const [url = "", ...numbers] = process.argv.slice(2);
const [streams = 8, messages = 16, bytes = 600, underWay = 64, milliseconds = 3_000] =
  numbers.map(Number);
const nc = await connect({ servers: url, noAsyncTraces: true });
const jsm = await jetstreamManager(nc);
const names = Array.from({ length: streams }, (_, i) => `batches-${messages}-${bytes}-${i}`);
for (const name of names) {
  const subjects = [`${name}.*`];
  await jsm.streams.add({ name, subjects, storage: StorageType.File, allow_atomic: true });
}
const data = Buffer.alloc(bytes, "x");
const inbox = createInbox();
let sent = 0;
let answers = 0;
let startedAt = 0;

function send(): void {
  const name = names[sent % streams]!;
  const id = `b${sent++}`;
  for (let i = 0; i < messages; i++) {
    const head = headers();
    const isLast = i === messages - 1;
    head.set("Nats-Batch-Id", id);
    head.set("Nats-Batch-Sequence", String(i + 1));
    if (isLast) head.set("Nats-Batch-Commit", "1");
    nc.publish(`${name}.${i}`, data, { headers: head, ...(isLast ? { reply: inbox } : {}) });
  }
}

nc.subscribe(inbox, {
  callback(_error, message) {
    if (message.string().includes('"error"')) throw new Error(message.string());
    answers++;
    send();
  },
});
for (let i = 0; i < underWay; i++) send();
setTimeout(() => {
  process.stdout.write("begin\n");
  answers = 0;
  startedAt = performance.now();
}, 500);
setTimeout(() => {
  const rate = answers / ((performance.now() - startedAt) / 1000);
  process.stdout.write(`${rate}\n`, () => process.exit(0));
}, 500 + milliseconds);
