/** Style sheets are taken by the bundler and export nothing. */
declare module "*.css";

/** What Vite makes of it: each module that fits the pattern, by its path. */
interface ImportMeta {
  glob<T>(pattern: string, options: { eager: true }): { readonly [path: string]: T };
}
