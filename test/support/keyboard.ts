/** A person without a mouse. */
import type { Page } from "playwright-core";
import { waitFor } from "./server.ts";

const STEPS_MAX = 120;

/** A text, since the types of Node know no document. */
const NAME_OF_FOCUS = `(() => {
  let at = document.activeElement;
  // An editor stands in a tree of its own.
  while (at.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
  const label = at.labels?.[0]?.textContent ?? at.getAttribute("aria-label");
  return (label ?? at.textContent ?? "").trim().replace(/ \\(optional\\)$/, "");
})()`;

/** Presses Tab until what has the focus is called so. */
export async function tabTo(page: Page, name: string | RegExp): Promise<void> {
  for (let step = 0; step < STEPS_MAX; step++) {
    await page.keyboard.press("Tab");
    const called = await page.evaluate<string>(NAME_OF_FOCUS);
    if (typeof name === "string" ? called === name : name.test(called)) return;
  }
  throw new Error(`no Tab led to ${name}`);
}

/** Goes to a field and types. */
export async function typeAt(page: Page, name: string | RegExp, text: string): Promise<void> {
  await tabTo(page, name);
  await page.keyboard.press("ControlOrMeta+A");
  await page.keyboard.type(text);
}

/** Goes to a link or button and presses Enter; afterwards something still has the focus. */
export async function press(page: Page, name: string | RegExp): Promise<void> {
  await tabTo(page, name);
  await page.keyboard.press("Enter");
  await focusIsKept(page, name);
}

/** Fails when the focus fell back to the top of the page. */
export async function focusIsKept(page: Page, after: string | RegExp): Promise<void> {
  const isKept = () => page.evaluate<boolean>("document.activeElement !== document.body");
  await waitFor(isKept, { timeoutMs: 10_000, what: `something to have the focus after ${after}` });
}

/** Opens a menu and presses Enter on one of its items, which the arrows lead to. */
export async function chooseInMenu(page: Page, menu: string | RegExp, item: string): Promise<void> {
  await tabTo(page, menu);
  await page.keyboard.press("Enter");
  for (let step = 0; step < 20; step++) {
    const called = await page.evaluate<string>(NAME_OF_FOCUS);
    if (called.replace(/^✓/, "") === item) return page.keyboard.press("Enter");
    await page.keyboard.press("ArrowDown");
  }
  throw new Error(`no arrow led to ${item}`);
}
