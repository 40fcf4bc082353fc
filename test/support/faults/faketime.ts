/** The library by which a process believes another time; see the Debian package `faketime`. */
import { access, readdir } from "node:fs/promises";
import { join } from "node:path";

/** Its path, for LD_PRELOAD. Fails when the package is not installed. */
export async function findFaketime(): Promise<string> {
  const folders = (await readdir("/usr/lib")).map((name) => join("/usr/lib", name, "faketime"));
  for (const folder of [...folders, "/usr/lib/faketime", "/usr/local/lib/faketime"]) {
    const file = join(folder, "libfaketimeMT.so.1");
    const isThere = await access(file).then(
      () => true,
      () => false,
    );
    if (isThere) return file;
  }
  throw new Error("libfaketimeMT.so.1 is not installed: apt-get install faketime");
}
