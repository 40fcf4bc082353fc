/** What is wrong with how a page lies on the screen: too wide, cut off, one thing over another. */
import type { Page } from "playwright-core";

/** A text, since the types of Node know no document. */
const FIND_FAULTS = `(() => {
  const faults = [];
  const nameOf = (each) => each.outerHTML.slice(0, 120);
  const wide = document.documentElement.scrollWidth;
  if (wide > innerWidth) faults.push("the page is " + wide + " pixels wide");
  const isShown = (each) => each.checkVisibility() && !each.closest(".unseen, .skip, .cm-editor");
  const scrolls = (each) => each.closest(".scroll, .window, pre") !== null;
  const open = document.querySelector("dialog[open]") ?? document.body;
  const words = [...open.querySelectorAll("a, button, input, select, textarea, summary, h1, h2, h3, label, dt, dd, p, li")];
  for (const each of words.filter(isShown)) {
    const { left, right, width } = each.getBoundingClientRect();
    if (width > 0 && !scrolls(each) && (left < -1 || right > innerWidth + 1)) {
      faults.push("beyond the edge: " + nameOf(each));
    }
    const { overflowX, textOverflow } = getComputedStyle(each);
    const isCut = ["hidden", "clip"].includes(overflowX) && textOverflow !== "ellipsis";
    if ((isCut || each.tagName === "BUTTON") && each.tagName !== "INPUT" && each.scrollWidth > each.clientWidth + 1) {
      faults.push("cut off: " + nameOf(each));
    }
  }
  const pressed = [...open.querySelectorAll("a, button, input, select, textarea, summary")];
  const boxes = pressed.filter((each) => isShown(each) && !each.closest(".window"))
    .map((each) => [each, [...each.getClientRects()]]);
  for (const [at, [one, first]] of boxes.entries()) {
    for (const [other, second] of boxes.slice(at + 1)) {
      if (one.contains(other) || other.contains(one)) continue;
      const isOver = first.some((a) => second.some((b) =>
        Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2 &&
        Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 2));
      if (isOver) faults.push("overlaps: " + nameOf(one) + " and " + nameOf(other));
    }
  }
  return faults;
})()`;

/** The sizes that pages are made for, from a telephone to 4K, and twice the size of text. */
const SCREENS = [
  { title: "320 pixels", width: 320, height: 640, text: "" },
  { title: "768 pixels", width: 768, height: 1024, text: "" },
  { title: "4K", width: 3840, height: 2160, text: "" },
  { title: "text at 200 %", width: 1280, height: 800, text: "200%" },
  { title: "1440 pixels", width: 1440, height: 900, text: "" },
] as const;

/** Faults on every size of screen; the page is left at 1440 pixels. */
export async function findLayoutFaults(page: Page): Promise<string[]> {
  const found: string[] = [];
  for (const { title, width, height, text } of SCREENS) {
    await page.setViewportSize({ width, height });
    await page.evaluate(`document.documentElement.style.fontSize = ${JSON.stringify(text)}`);
    const faults = await page.evaluate<string[]>(FIND_FAULTS);
    found.push(...faults.slice(0, 3).map((fault) => `at ${title}: ${fault}`));
  }
  return found;
}
