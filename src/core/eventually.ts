/**
 * A result that is there at once where nothing has to wait. On the way of a push each promise costs as
 * much as a step of the work, so only what waits makes one.
 */
export type Eventually<T> = T | Promise<T>;
