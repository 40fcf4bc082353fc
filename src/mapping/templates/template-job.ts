/** What goes between the pool of templates and its threads. */
import type { TemplateInput } from "./template-functions.ts";

/** Templates over records. */
export interface TemplateJob {
  readonly id: number;
  /** Sources of the templates; a thread keeps what it compiled. */
  readonly sources: readonly string[];
  readonly inputs: readonly TemplateInput[];
}

/** JSON text that a template made, or why it made none. */
export type TemplateAnswer = string | { readonly fault: string };

/** For each record what each template made of it. */
export interface TemplateJobDone {
  readonly id: number;
  readonly rows: readonly (readonly TemplateAnswer[])[];
}
