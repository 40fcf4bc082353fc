/**
 * Pushes a record to a source with nothing but fetch: in Node, Deno, Bun, a worker or a browser page.
 *   SOURCE_URL=https://…/in/… SOURCE_KEY=tribkey_… node examples/javascript/source.js
 */
const { SOURCE_URL = "", SOURCE_KEY = "" } = globalThis.process?.env ?? {};

const record = { sensor_id: "javascript", temperature: 4.132, created_at: "2026-01-01T00:00:00Z" };
const response = await fetch(SOURCE_URL, {
  method: "POST",
  headers: {
    "content-type": "application/json",
    "x-api-key": SOURCE_KEY,
    // Repeating the request with the same key stores nothing twice.
    "idempotency-key": crypto.randomUUID(),
  },
  body: JSON.stringify(record),
});

const answer = await response.json();
if (!response.ok) throw new Error(`${response.status}: ${answer.message}`);
console.log(`accepted ${answer.accepted} at ${answer.firstPlace}`);
