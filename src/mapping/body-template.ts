/** Templates of whole bodies, by the threads that evaluate those of mappings. */
import type { TemplateCompiler } from "./row-transform.ts";

/** Makes JSON text of JSON text. Rejects when the signal says so. */
interface BodyTemplate {
  run(
    input: { readonly json: string; readonly timeMs: number },
    signal: AbortSignal,
  ): Promise<{ readonly json: string } | { readonly fault: string }>;
}

/** No request brought a body that is made of records. */
const NO_CALL = { address: "", headers: [] };

/** Compiles templates of bodies; a string says what is wrong, `line:column: text`. */
export function createBodyTemplates(templates: TemplateCompiler): {
  compile(source: string): BodyTemplate | string;
} {
  return {
    compile(source) {
      const set = templates.compile([source]);
      if (!("run" in set)) return set[0]?.fault ?? "is no template";
      return {
        async run({ json, timeMs }, signal) {
          const [made] = await set.run([{ text: json, json, call: NO_CALL, timeMs }], signal);
          const result = made?.[0];
          if (typeof result === "string") return { json: result };
          return { fault: result?.why ?? "it made nothing" };
        },
      };
    },
  };
}
