/** moto, a simulation of AWS by others, from PyPI: installed once into the cache and run as a process. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../free-port.ts";
import { installPythonPackage } from "../python-package.ts";

const VERSION = "5.2.5";
const SERVICES = "server,sqs,kinesis,firehose,s3,sts";

/** A running moto. */
export interface Moto {
  readonly url: string;
  close(): Promise<void>;
}

/** Starts it; the first time it is installed, which takes a minute. */
export async function startMoto(): Promise<Moto> {
  const folder = await installPythonPackage(
    `moto-${VERSION}-${SERVICES.replaceAll(",", "-")}`,
    `moto[${SERVICES}]==${VERSION}`,
  );
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
