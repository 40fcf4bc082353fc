/** What makes the program's modules load in a third of the time. Call it before they are imported. */
import { enableCompileCache, registerHooks } from "node:module";

const DRIZZLE = "/node_modules/drizzle-orm/";

/**
 * Keeps compiled code in a folder (made when missing; nothing happens where it cannot be written), and
 * spares Node the package.json of drizzle-orm: it would parse its 180 KB again for each of a hundred
 * modules. Measured: 1.4 s and 240 MiB to load everything without, 0.5 s and 136 MiB with both.
 */
export function speedUpLoading(cacheFolder: string): void {
  enableCompileCache(cacheFolder);
  registerHooks({
    resolve(specifier, context, next) {
      const { parentURL } = context;
      const isWithin = /^\.\.?\//.test(specifier) && parentURL?.includes(DRIZZLE);
      if (!isWithin || !specifier.endsWith(".js") || parentURL?.endsWith(".cjs")) {
        return next(specifier, context);
      }
      const { href } = new URL(specifier, parentURL);
      return href.includes(DRIZZLE)
        ? { url: href, format: "module", shortCircuit: true }
        : next(specifier, context);
    },
  });
}
