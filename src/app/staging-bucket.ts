/** The bucket for staged rows, where the installation has one. */
import type { StagingObjects } from "../delivery/staging-objects.ts";
import type { Closers } from "./closers.ts";
import { environmentOf } from "./environment.ts";
import type { Foundations } from "./foundations.ts";
import { openStagingObjects } from "./staging-objects.ts";

/** Opens it; undefined where rows are staged in JetStream. Nothing is sent yet. */
export async function openStagingBucket(
  foundations: Foundations,
  closers: Closers,
): Promise<StagingObjects | undefined> {
  const { config } = foundations;
  const objects = await openStagingObjects({ config, environment: environmentOf(foundations) });
  if (objects) closers.add("bucket for staged rows", async () => objects.close());
  return objects;
}
