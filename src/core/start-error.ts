/** Why a start fails, where a person can do something about it. */

/**
 * Its message says what is wrong and what to do, without secrets. The command line prints it instead
 * of a stack, and ends with 1.
 */
export class StartError extends Error {
  override readonly name: string = "StartError";
}
