/** moto, a simulation of AWS by others, from PyPI: installed once into the cache and run as a process. */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, rename } from "node:fs/promises";
import { createServer } from "node:net";
import { homedir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

const VERSION = "5.2.5";
const SERVICES = "server,sqs,kinesis,firehose,s3,sts";

/** A running moto. */
export interface Moto {
  readonly url: string;
  close(): Promise<void>;
}

/** Starts it; the first time it is installed, which takes a minute. */
export async function startMoto(): Promise<Moto> {
  const folder = await install();
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const child = spawn("python3", ["-m", "moto.server", "-p", `${port}`], {
    env: { ...process.env, PYTHONPATH: folder },
    stdio: "ignore",
  });
  const exited = once(child, "exit");
  const close = async () => {
    child.kill();
    await exited;
  };
  // Its first start compiles thousands of modules.
  for (let tries = 0; tries < 600; tries++) {
    const isUp = await fetch(`${url}/moto-api/`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (isUp) return { url, close };
    await sleep(200);
  }
  await close();
  throw new Error("moto did not start within 120 s");
}

async function install(): Promise<string> {
  const cache = join(homedir(), ".cache", "tributary", "test");
  const folder = join(cache, `moto-${VERSION}-${SERVICES.replaceAll(",", "-")}`);
  if (existsSync(folder)) return folder;
  await mkdir(cache, { recursive: true });
  const fresh = `${folder}.${process.pid}`;
  const wanted = `moto[${SERVICES}]==${VERSION}`;
  await promisify(execFile)("python3", ["-m", "pip", "install", "-q", "--target", fresh, wanted], {
    timeout: 240_000,
  });
  await rename(fresh, folder);
  return folder;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}
